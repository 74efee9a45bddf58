/* SPDX-License-Identifier: MIT */
/*
 * latimer-bridge-helper: makes a tap, puts it on a bridge that the access list allows, and passes
 * the descriptor over a Unix socket. Installed set-uid root where users may do that; so it is
 * small, uses no library, and trusts no argument.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef BRIDGE_ACL
#define BRIDGE_ACL "/etc/latimer/bridge.conf"
#endif
enum { ACL_DEPTH = 8, LINE_LEN = 512 };

static const char usage[] =
    "usage: latimer-bridge-helper [--use-vnet] --br=BRIDGE --fd=UNIX-SOCKET\n"
    "Makes a tap on BRIDGE and passes its descriptor over the socket that is open as that number.\n"
    "Which bridges are allowed stands in " BRIDGE_ACL
    ":\n  allow BRIDGE|all    deny BRIDGE|all    include FILE\nA deny that fits wins over every "
    "allow; "
    "no line that fits: denied.\n";

enum Verdict { NO_WORD, ALLOWED, DENIED }; /* the later, the stricter */

/* The strictest rule for the bridge, of this file and those it includes. */
static enum Verdict read_acl(const char *file, const char *bridge, int depth)
{
    char line[LINE_LEN], word[LINE_LEN], arg[LINE_LEN], more[2];
    enum Verdict verdict = NO_WORD;
    struct stat st;
    FILE *f;

    if (depth == ACL_DEPTH || !(f = fopen(file, "re"))) {
        fprintf(stderr, "latimer-bridge-helper: %s: %s\n", file,
                depth == ACL_DEPTH ? "included too deep" : strerror(errno));
        return DENIED;
    }
    if (geteuid() != getuid() && (fstat(fileno(f), &st) || st.st_uid != 0 || st.st_mode & 022)) {
        fprintf(stderr, "latimer-bridge-helper: %s: has to be root's, and nobody else's to write\n",
                file);
        verdict = DENIED;
    }
    while (verdict != DENIED && fgets(line, sizeof(line), f)) {
        line[strcspn(line, "#\n")] = 0;
        int n = sscanf(line, "%511s %511s %1s", word, arg, more);

        if (n <= 0) {
            continue;
        }
        if (n == 2 && !strcmp(word, "include")) {
            enum Verdict of_file = read_acl(arg, bridge, depth + 1);
            verdict = of_file > verdict ? of_file : verdict;
        } else if (n == 2 && (!strcmp(word, "allow") || !strcmp(word, "deny"))) {
            if (!strcmp(arg, "all") || !strcmp(arg, bridge)) {
                verdict = word[0] == 'd' ? DENIED : ALLOWED;
            }
        } else {
            fprintf(stderr, "latimer-bridge-helper: %s: cannot read '%s'\n", file, line);
            verdict = DENIED;
        }
    }
    fclose(f);
    return verdict;
}

static int fail(const char *what, const char *which)
{
    fprintf(stderr, "latimer-bridge-helper: %s%s%s: %s\n", what, which ? " " : "",
            which ? which : "", strerror(errno));
    return 1;
}

/* Like its bridge's MTU; then on the bridge, and up. */
static int join(int sock, const char *tap, const char *bridge)
{
    struct ifreq ifr = { 0 };

    strcpy(ifr.ifr_name, bridge);
    if (ioctl(sock, SIOCGIFMTU, &ifr)) {
        return fail("bridge", bridge);
    }
    strcpy(ifr.ifr_name, tap);
    if (ioctl(sock, SIOCSIFMTU, &ifr)) {
        return fail("MTU of", tap);
    }
    int index = (int)if_nametoindex(tap);
    memset(&ifr, 0, sizeof(ifr));
    strcpy(ifr.ifr_name, bridge);
    ifr.ifr_ifindex = index;
    if (ioctl(sock, SIOCBRADDIF, &ifr)) {
        return fail("cannot join bridge", bridge);
    }
    memset(&ifr, 0, sizeof(ifr));
    strcpy(ifr.ifr_name, tap);
    if (ioctl(sock, SIOCGIFFLAGS, &ifr)) {
        return fail("flags of", tap);
    }
    ifr.ifr_flags |= IFF_UP;
    return ioctl(sock, SIOCSIFFLAGS, &ifr) ? fail("cannot bring up", tap) : 0;
}

static int pass_fd(int sock, int fd)
{
    char byte = 0;
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { 0 };
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.buf,
                          .msg_controllen = sizeof(control.buf) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    return sendmsg(sock, &msg, MSG_NOSIGNAL) == 1 ? 0 : fail("passing the descriptor", NULL);
}

int main(int argc, char **argv)
{
    const char *bridge = NULL;
    struct ifreq ifr = { 0 };
    struct stat st;
    bool vnet = false;
    int out = -1;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            fputs(usage, stdout);
            return 0;
        } else if (!strcmp(argv[i], "--use-vnet")) {
            vnet = true;
        } else if (!strncmp(argv[i], "--br=", 5)) {
            bridge = argv[i] + 5;
        } else if (!strncmp(argv[i], "--fd=", 5)) {
            char *end;
            long n = strtol(argv[i] + 5, &end, 10);
            out = *end || end == argv[i] + 5 || n < 0 || n > 1 << 20 ? -1 : (int)n;
        } else {
            fprintf(stderr, "latimer-bridge-helper: unknown argument '%s'\n%s", argv[i], usage);
            return 1;
        }
    }
    if (!bridge || !*bridge || strlen(bridge) >= IFNAMSIZ || strchr(bridge, '/')) {
        fprintf(stderr, "latimer-bridge-helper: --br= wants the name of a bridge\n%s", usage);
        return 1;
    }
    if (out < 0 || fstat(out, &st) || !S_ISSOCK(st.st_mode)) {
        fprintf(stderr, "latimer-bridge-helper: --fd= wants the number of an open Unix socket\n");
        return 1;
    }
    if (read_acl(BRIDGE_ACL, bridge, 0) != ALLOWED) {
        fprintf(stderr, "latimer-bridge-helper: bridge '%s' is not allowed by %s\n", bridge,
                BRIDGE_ACL);
        return 1;
    }
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (sock < 0 || tun < 0) {
        return fail(tun < 0 ? "/dev/net/tun" : "socket", NULL);
    }
    strcpy(ifr.ifr_name, "tap%d");
    ifr.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | (vnet ? IFF_VNET_HDR : 0));
    if (ioctl(tun, TUNSETIFF, &ifr)) {
        return fail("cannot make a tap", NULL);
    }
    char tap[IFNAMSIZ];
    memcpy(tap, ifr.ifr_name, sizeof(tap));
    tap[IFNAMSIZ - 1] = 0;
    return join(sock, tap, bridge) || pass_fd(out, tun);
}
