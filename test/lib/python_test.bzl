"""Tests in Python that drive a gantryd of their own over its socket."""

def gantry_python_test(name, images, size = "medium", data = [], tags = [], **kwargs):
    """NAME.py of this package, run alone, with gantryd, gantry-shim and images.

    Args:
      name: the test; its source is NAME.py.
      images: names of images of //test/fixtures.
      size: of the test.
      data: more files that it needs.
      tags: besides those of every such test.
      **kwargs: passed on to sh_test.
    """
    native.sh_test(
        name = name,
        size = size,
        srcs = ["//test/lib:run_python"],
        args = [native.package_name() + "/" + name + ".py"],
        data = data + [
            name + ".py",
            "//proto:admin_src",
            "//proto/cri/v1:api_src",
            "//server:gantryd",
            "//shim:gantry-shim",
            "//test/lib:python",
        ] + ["//test/fixtures:" + image + ".tar" for image in images],
        tags = tags + [
            "e2e",
            "exclusive",
            "local",
        ],
        **kwargs
    )
