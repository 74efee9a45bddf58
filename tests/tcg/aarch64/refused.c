/* SPDX-License-Identifier: MIT */
/* System calls that are refused: ENOSYS, as from a kernel without them, whatever the arguments are;
 * so are numbers that no call has. */
#include "test.h"
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

static const struct {
    const char *name;
    int nr;
} refused[] = {
#define REFUSED(name)     \
    {                     \
#name, SYS_##name \
    }
    REFUSED(io_setup),
    REFUSED(io_destroy),
    REFUSED(io_submit),
    REFUSED(io_cancel),
    REFUSED(io_getevents),
    REFUSED(io_pgetevents),
    REFUSED(io_uring_setup),
    REFUSED(io_uring_enter),
    REFUSED(io_uring_register),
    REFUSED(lookup_dcookie),
    REFUSED(nfsservctl),
    REFUSED(pkey_alloc),
    REFUSED(pkey_free),
    REFUSED(remap_file_pages),
    REFUSED(userfaultfd),
    REFUSED(ptrace),
    REFUSED(rseq),
    REFUSED(perf_event_open),
    REFUSED(bpf),
    REFUSED(kexec_load),
    REFUSED(kexec_file_load),
    REFUSED(init_module),
    REFUSED(finit_module),
    REFUSED(delete_module),
};

static void expect_enosys(const char *name, int nr)
{
    static char buf[4096];

    for (int kind = 0; kind < 3; kind++) {
        long arg = kind == 0 ? 0 : kind == 1 ? -1 : (long)buf;

        errno = 0;
        if (syscall(nr, arg, arg, arg, arg, arg, arg) != -1 || errno != ENOSYS) {
            printf("call %d (%s) with %#lx: errno %d\n", nr, name, arg, errno);
            test_failed();
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "names")) {
        for (size_t n = 0; n < sizeof(refused) / sizeof(refused[0]); n++) {
            printf("%s\n", refused[n].name);
        }
        return 0;
    }
    static char buf[4096];

    for (size_t n = 0; n < sizeof(refused) / sizeof(refused[0]); n++) {
        expect_enosys(refused[n].name, refused[n].nr);
    }
    for (int nr = 244; nr < 260; nr++) { /* arm64 has none of __NR_arch_specific_syscall */
        expect_enosys("none", nr);
    }
    for (int nr = 451; nr < 600; nr++) {
        expect_enosys("none", nr);
    }
    expect_enosys("none", -1);
    expect_enosys("none", 1 << 30);
    /* a process, not a thread, that shares memory with its parent, who goes on */
    EQUAL(syscall(SYS_clone, CLONE_VM | SIGCHLD, buf + sizeof(buf), 0, 0, 0), -1);
    EQUAL(errno, EINVAL);
    return test_end();
}
