/* SPDX-License-Identifier: MIT */
/*
 * Messages on sockets. struct msghdr and control data are the same on every 64-bit Linux; the
 * pointers inside are checked on a copy.
 */
#include "linux-user/syscalls.h"

#include <limits.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { IOV_ROOM = 16 };

/* A message header whose pointers are the guest's and checked. */
typedef struct HostMessage {
    struct msghdr msg;
    struct iovec room[IOV_ROOM];
} HostMessage;

static int message_from_guest(HostMessage *hm, uint64_t addr)
{
    int error = 0;

    if (!copy_from_guest(&hm->msg, addr, sizeof(hm->msg))) {
        return -EFAULT;
    }
    if (!guest_ptr_ok((uintptr_t)hm->msg.msg_name) ||
        (hm->msg.msg_controllen &&
         !guest_range_ok((uintptr_t)hm->msg.msg_control, hm->msg.msg_controllen))) {
        return -EFAULT;
    }
    hm->msg.msg_name = (void *)host_arg((uintptr_t)hm->msg.msg_name);
    hm->msg.msg_control = (void *)host_arg((uintptr_t)hm->msg.msg_control);
    if (hm->msg.msg_iovlen > IOV_MAX) {
        return -EMSGSIZE;
    }
    hm->msg.msg_iov =
        iov_from_guest((uintptr_t)hm->msg.msg_iov, hm->msg.msg_iovlen, hm->room, IOV_ROOM, &error);
    return hm->msg.msg_iov ? 0 : error;
}

/* What recvmsg writes into the header; the vector's address stays the guest's. */
static bool message_to_guest(uint64_t addr, const HostMessage *hm)
{
    struct msghdr msg;

    if (!copy_from_guest(&msg, addr, sizeof(msg))) {
        return false;
    }
    msg.msg_namelen = hm->msg.msg_namelen;
    msg.msg_controllen = hm->msg.msg_controllen;
    msg.msg_flags = hm->msg.msg_flags;
    return copy_to_guest(addr, &msg, sizeof(msg));
}

static int64_t one_message(int64_t fd, uint64_t addr, int flags, bool receive)
{
    HostMessage hm;
    int64_t res = message_from_guest(&hm, addr);

    if (res < 0) {
        return res;
    }
    res = safe_call(receive ? __NR_recvmsg : __NR_sendmsg, fd, (uintptr_t)&hm.msg, flags);
    iov_free(hm.msg.msg_iov, hm.room);
    if (receive && res >= 0 && !message_to_guest(addr, &hm)) {
        return -EFAULT;
    }
    return res;
}

/* Options that are a filter program: a struct with a pointer. */
static bool is_filter_option(int level, int option)
{
    return level == SOL_SOCKET   ? option == SO_ATTACH_FILTER || option == SO_ATTACH_REUSEPORT_CBPF
           : level == SOL_PACKET ? option == PACKET_FANOUT_DATA
                                 : false;
}

int64_t sys_setsockopt(TaskState *ts, uint64_t a[MAX_ARGS])
{
    struct sock_fprog prog;

    if (is_filter_option((int)a[1], (int)a[2]) && (uint32_t)a[4] == sizeof(prog)) {
        if (!copy_from_guest(&prog, a[3], sizeof(prog)) || !guest_ptr_ok((uintptr_t)prog.filter)) {
            return -EFAULT;
        }
        prog.filter = (void *)host_arg((uintptr_t)prog.filter);
        a[3] = (uintptr_t)&prog;
    } else {
        a[3] = host_arg(a[3]);
    }
    return host_call(ts, a);
}

int64_t sys_sendmsg(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    return one_message(a[0], a[1], a[2], false);
}

int64_t sys_recvmsg(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    return one_message(a[0], a[1], a[2], true);
}

/* struct mmsghdr: a header and the length transferred. */
enum { MMSG_SIZE = 64, MMSG_LEN_OFFSET = 56 };

static int64_t many_messages(const uint64_t a[MAX_ARGS], int flags, bool receive)
{
    uint64_t count = MIN((uint32_t)a[2], IOV_MAX);
    uint64_t done = 0;
    int64_t res = 0;

    for (; done < count; done++) {
        uint64_t at = a[1] + done * MMSG_SIZE;
        uint32_t len;

        res = one_message(a[0], at, flags, receive);
        if (res < 0) {
            break;
        }
        len = (uint32_t)res;
        if (!copy_to_guest(at + MMSG_LEN_OFFSET, &len, sizeof(len))) {
            res = -EFAULT;
            break;
        }
        if (flags & MSG_WAITFORONE) { /* the others only if they are there already */
            flags = (flags & ~MSG_WAITFORONE) | MSG_DONTWAIT;
        }
    }
    return done ? (int64_t)done : res;
}

int64_t sys_sendmmsg(TaskState *ts, uint64_t a[MAX_ARGS])
{
    (void)ts;
    return many_messages(a, a[3], false);
}

/*
 * One message by the kernel's own call, which has the timeout: it takes the time waited off the
 * guest's timespec.
 */
static int64_t receive_timed(const uint64_t a[MAX_ARGS], uint64_t at, uint64_t flags)
{
    struct mmsghdr one;
    HostMessage hm;
    uint32_t length;
    int64_t res = message_from_guest(&hm, at);

    if (res < 0) {
        return res;
    }
    one = (struct mmsghdr){ .msg_hdr = hm.msg };
    res = safe_call(__NR_recvmmsg, a[0], (uintptr_t)&one, 1, flags, host_arg(a[4]));
    iov_free(hm.msg.msg_iov, hm.room);
    if (res <= 0) {
        return res;
    }
    hm.msg = one.msg_hdr;
    length = one.msg_len;
    return message_to_guest(at, &hm) && copy_to_guest(at + MMSG_LEN_OFFSET, &length, sizeof(length))
               ? res
               : -EFAULT;
}

int64_t sys_recvmmsg(TaskState *ts, uint64_t a[MAX_ARGS])
{
    uint64_t flags = a[3], count = MIN((uint32_t)a[2], IOV_MAX);
    struct timespec left;

    (void)ts;
    if (!a[4]) {
        return many_messages(a, a[3], true);
    }
    for (uint64_t n = 0; n < count; n++) {
        int64_t res = receive_timed(a, a[1] + n * MMSG_SIZE, flags);

        if (res <= 0) { /* an error behind messages is left for the next call */
            return n ? (int64_t)n : res;
        }
        flags |= flags & MSG_WAITFORONE ? MSG_DONTWAIT : 0;
        if (!copy_from_guest(&left, a[4], sizeof(left)) || (!left.tv_sec && !left.tv_nsec)) {
            return (int64_t)n + 1;
        }
    }
    return (int64_t)count;
}
