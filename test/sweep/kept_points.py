"""What the errno sweep's long form has found: which call of which request failed,
of which error. The short form strikes there each time.

A call is a pattern (fnmatch) of what syscall-sweeper says of it; a number behind it
takes MOST's place.
"""

KEPT = {
    # A client's or a program's stream that ended well without what was lost.
    "Attach": [("ENOMEM", "shim write pipe:*"),
               ("ENOMEM", "shim read pipe:*"),
               ("EIO", "server * pipe:*")],
    "Exec": [("EIO", "server ioctl pipe:*"),
             ("EIO", "server epoll_ctl pipe:*"),
             ("EIO", "server read pipe:*"),
             ("EIO", "server write pipe:*"),
             # A child that ended before it was let begin, or in its first
             # steps, and told no reason.
             ("EIO", "init fcntl socket:*"),
             ("EIO", "init recvmsg socket:*")],
    "ExecSync": [("EIO", "server epoll_ctl pipe:*"),
                 ("EIO", "server read pipe:*"),
                 # A child that was never reaped.
                 ("EIO", "shim wait4")],
    "RunPodSandbox": [
        # A server that ended.
        ("ENOMEM", "server setns *"),
        ("EINTR", "server rt_sigtimedwait"),
        # The pins of the first attempt, told in place of its error.
        ("EIO", "server recvmsg socket:*", 40),
        # An error of what was made ahead, told to the pod that came later.
        ("EIO", "pin fsmount*")],
    # A record that could not be looked at, taken for none.
    "StartContainer": [("ENOMEM", "server newfstatat */record"),
                       # A shim that could not take its starter for a client,
                       # and ended without a word.
                       ("EIO", "shim fcntl socket:*"),
                       ("EIO", "shim epoll_ctl socket:*"),
                       # mkdir's EEXIST, told in place of it.
                       ("EIO", "server newfstatat */run"),
                       ("EIO", "server newfstatat */run/containers")],
    # What a RemoveImage could not remove, and a repeated one did not find.
    "RemoveImage": [("EIO", "server renameat */images/layers/*"),
                    ("EIO", "server renameat */images/ingest/*"),
                    ("EIO", "server unlinkat */images/layers/*"),
                    ("EIO", "server unlinkat */images/ingest/*")],
    # An answer that was lost, while the removal went on.
    "RemoveContainer": [("EPERM", "server sendmsg socket:*")],
}

# Of the calls that match, so many at most.
MOST = 4
