/* SPDX-License-Identifier: MIT */
/* ioctl: what its argument is, as far as that has to be known. */
#include "linux-user/syscalls.h"
#include "util/log.h"

#include <linux/blkpg.h>
#include <linux/cdrom.h>
#include <linux/ethtool.h>
#include <linux/fb.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/input.h>
#include <linux/kd.h>
#include <linux/loop.h>
#include <linux/rtc.h>
#include <linux/sockios.h>
#include <linux/vt.h>
#include <net/if.h>
#include <scsi/sg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

/* Requests whose argument is a number, though it may look like an address. */
static const uint32_t number_requests[] = {
    TCSBRK,
    TCXONC,
    TCFLSH,
    TCSBRKP,
    TIOCSCTTY,
    TIOCMIWAIT,
    TIOCGPTPEER,
    KIOCSOUND,
    KDMKTONE,
    KDADDIO,
    KDDELIO,
    KDSETLED,
    KDSETMODE,
    KDSKBMODE,
    KDSKBMETA,
    KDSKBLED,
    KDSIGACCEPT,
    VT_ACTIVATE,
    VT_WAITACTIVE,
    VT_RELDISP,
    VT_DISALLOCATE,
    LOOP_SET_FD,
    LOOP_CHANGE_FD,
    LOOP_SET_DIRECT_IO,
    LOOP_SET_BLOCK_SIZE,
    LOOP_CTL_ADD,
    LOOP_CTL_REMOVE,
    BLKRASET,
    BLKFRASET,
    FICLONE,
    TUNSETNOCSUM,
    TUNSETDEBUG,
    TUNSETPERSIST,
    TUNSETOWNER,
    TUNSETLINK,
    TUNSETGROUP,
    TUNSETOFFLOAD,
    EVIOCGRAB,
    EVIOCREVOKE,
    RTC_IRQP_SET,
    RTC_EPOCH_SET,
    CDROM_SELECT_SPEED,
    CDROM_SELECT_DISC,
    CDROM_MEDIA_CHANGED,
    CDROM_DRIVE_STATUS,
    CDROM_LOCKDOOR,
    CDROM_SET_OPTIONS,
    CDROM_CLEAR_OPTIONS,
    CDROMEJECT_SW,
};

/*
 * Requests and their structures are the same on all 64-bit little-endian machines with the generic
 * numbering; this table is of those whose structures hold pointers. Offsets in bytes; after the
 * first, 0 ends the list.
 */
typedef struct IoctlStruct {
    uint32_t request;
    uint16_t size;
    uint16_t pointers[4];
} IoctlStruct;

static const IoctlStruct ioctl_structs[] = {
    { SIOCGIFCONF, sizeof(struct ifconf), { offsetof(struct ifconf, ifc_req) } },
    { SIOCETHTOOL, sizeof(struct ifreq), { offsetof(struct ifreq, ifr_data) } },
    { SIOCGMIIPHY, sizeof(struct ifreq), { offsetof(struct ifreq, ifr_data) } },
    { SIOCSHWTSTAMP, sizeof(struct ifreq), { offsetof(struct ifreq, ifr_data) } },
    { SIOCGHWTSTAMP, sizeof(struct ifreq), { offsetof(struct ifreq, ifr_data) } },
    { TUNATTACHFILTER, sizeof(struct sock_fprog), { offsetof(struct sock_fprog, filter) } },
    { SG_IO,
      sizeof(sg_io_hdr_t),
      { offsetof(sg_io_hdr_t, dxferp), offsetof(sg_io_hdr_t, cmdp), offsetof(sg_io_hdr_t, sbp) } },
    { PIO_FONTX, sizeof(struct consolefontdesc), { offsetof(struct consolefontdesc, chardata) } },
    { GIO_FONTX, sizeof(struct consolefontdesc), { offsetof(struct consolefontdesc, chardata) } },
    { PIO_UNIMAP, sizeof(struct unimapdesc), { offsetof(struct unimapdesc, entries) } },
    { GIO_UNIMAP, sizeof(struct unimapdesc), { offsetof(struct unimapdesc, entries) } },
    { KDFONTOP, sizeof(struct console_font_op), { offsetof(struct console_font_op, data) } },
    { BLKPG, sizeof(struct blkpg_ioctl_arg), { offsetof(struct blkpg_ioctl_arg, data) } },
    { FBIOGETCMAP,
      sizeof(struct fb_cmap),
      { offsetof(struct fb_cmap, red), offsetof(struct fb_cmap, green),
        offsetof(struct fb_cmap, blue), offsetof(struct fb_cmap, transp) } },
};

/* A request with pointers inside: the host gets a copy with its own. */
static int64_t struct_ioctl(TaskState *ts, uint64_t a[MAX_ARGS], const IoctlStruct *s)
{
    uint8_t guest[256], host[256];
    uint64_t arg = a[2], pointer;
    int64_t res;

    G_STATIC_ASSERT(sizeof(struct ifreq) <= sizeof(host) && sizeof(sg_io_hdr_t) <= sizeof(host));
    if (!copy_from_guest(guest, arg, s->size)) {
        return -EFAULT;
    }
    memcpy(host, guest, s->size);
    for (int k = 0; k < 4 && (k == 0 || s->pointers[k]); k++) {
        memcpy(&pointer, guest + s->pointers[k], sizeof(pointer));
        if (!guest_ptr_ok(pointer)) {
            return -EFAULT;
        }
        pointer = host_arg(pointer);
        memcpy(host + s->pointers[k], &pointer, sizeof(pointer));
    }
    a[2] = (uintptr_t)host;
    res = host_call(ts, a);
    for (int k = 0; k < 4 && (k == 0 || s->pointers[k]); k++) {
        memcpy(host + s->pointers[k], guest + s->pointers[k], sizeof(pointer));
    }
    if (res >= 0 && memcmp(host, guest, s->size) && !copy_to_guest(arg, host, s->size)) {
        return -EFAULT;
    }
    return res;
}

/*
 * Is the argument an address? Numbers are small, and a request that is not known and has a small
 * argument has an address if something is mapped there.
 */
static bool is_address(uint32_t request, uint64_t arg)
{
    for (size_t n = 0; n < G_N_ELEMENTS(number_requests); n++) {
        if (number_requests[n] == request) {
            return false;
        }
    }
    return arg > UINT32_MAX || pagemap_get(arg) & GUEST_PAGE_VALID;
}

/* Requests of type 'd' are DRM's, whose drivers' structures point where they like. */
int64_t sys_ioctl(TaskState *ts, uint64_t a[MAX_ARGS])
{
    enum { TYPE_SHIFT = 8, TYPE_DRM = 'd' };
    uint32_t request = (uint32_t)a[1];

    if (a[2] >= proc.guest_end && a[2] < UINT64_C(1) << 47) {
        return -EFAULT;
    }
    if ((request >> TYPE_SHIFT & 0xff) == TYPE_DRM) {
        log_printf(LOG_UNIMP, "not implemented: ioctl 0x%x (direct rendering)\n", request);
        return -ENOTTY;
    }
    for (size_t n = 0; n < G_N_ELEMENTS(ioctl_structs); n++) {
        if (ioctl_structs[n].request == request) {
            return struct_ioctl(ts, a, &ioctl_structs[n]);
        }
    }
    if (guest_base && is_address(request, a[2])) {
        a[2] = host_arg(a[2]);
    }
    return host_call(ts, a);
}
