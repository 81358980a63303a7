"""The box around a process that decodes strangers' photos: what it needs is loaded, then it can reach nothing any more.

`layers` says what is tried in which order, `seccomp` and `landlock` are the two filters of the Linux kernel.
"""
