"""Headers that GCC parses once for all sources of a room.

Most of the time that one of our sources takes to compile goes to the headers of
others (std, Abseil, Protobuf, gRPC, GoogleMock). A precompiled header has them
parsed. It holds nothing of ours, so what a source may see of another room is
still what it includes.
"""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "CPP_COMPILE_ACTION_NAME")
load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _precompiled_header_impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    needed = cc_common.merge_cc_infos(
        cc_infos = [dep[CcInfo] for dep in ctx.attr.deps],
    ).compilation_context

    # GCC looks for NAME.h.gch beside NAME.h, and takes the text if the options
    # of the source's compilation are not those of the .gch (GCC manual, "Using
    # Precompiled Headers").
    text = ctx.actions.declare_file(ctx.label.name + ".h")
    compiled = ctx.actions.declare_file(ctx.label.name + ".h.gch")
    ctx.actions.expand_template(
        template = ctx.file.hdr,
        output = text,
        substitutions = {},
    )
    cpp = ctx.fragments.cpp
    variables = cc_common.create_compile_variables(
        feature_configuration = features,
        cc_toolchain = toolchain,
        user_compile_flags = cpp.copts + cpp.cxxopts + ctx.attr.copts,
        quote_include_directories = needed.quote_includes,
    )
    options = cc_common.get_memory_inefficient_command_line(
        feature_configuration = features,
        action_name = CPP_COMPILE_ACTION_NAME,
        variables = variables,
    )
    ctx.actions.run(
        mnemonic = "CppPrecompile",
        progress_message = "Precompiling " + ctx.file.hdr.short_path,
        executable = cc_common.get_tool_for_action(
            feature_configuration = features,
            action_name = CPP_COMPILE_ACTION_NAME,
        ),
        arguments = options +
                    ["-x", "c++-header", text.path, "-o", compiled.path],
        env = cc_common.get_environment_variables(
            feature_configuration = features,
            action_name = CPP_COMPILE_ACTION_NAME,
            variables = variables,
        ),
        inputs = depset(
            [text],
            transitive = [needed.headers, toolchain.all_files],
        ),
        outputs = [compiled],
    )
    return [
        DefaultInfo(files = depset([compiled])),
        CcInfo(compilation_context = cc_common.create_compilation_context(
            headers = depset(
                [text, compiled],
                transitive = [needed.headers],
            ),
        )),
    ]

precompiled_header = rule(
    implementation = _precompiled_header_impl,
    doc = "NAME.h.gch, of the options that C++ of this configuration has.",
    attrs = {
        "copts": attr.string_list(
            doc = "Options that the sources have beyond the configuration's.",
        ),
        "deps": attr.label_list(
            doc = "Libraries of the generated headers in it.",
            providers = [CcInfo],
        ),
        "hdr": attr.label(
            doc = "What to include in it.",
            allow_single_file = [".h"],
            mandatory = True,
        ),
        "_cc_toolchain": attr.label(
            default = "@bazel_tools//tools/cpp:current_cc_toolchain",
        ),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
