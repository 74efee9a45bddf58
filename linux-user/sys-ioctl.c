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
    /* direct rendering (include/uapi/drm/), by number as not every machine has the headers */
    /* clang-format off */
    { 0xc0406400, 64, { 24, 40, 56 } }, /* VERSION */
    { 0xc0106401, 16, { 8 } }, /* GET_UNIQUE */
    { 0xc04064a0, 64, { 0, 8, 16, 24 } }, /* MODE_GETRESOURCES */
    { 0xc06864a2, 104, { 0 } }, /* MODE_SETCRTC */
    { 0xc02064a4, 32, { 8, 16, 24 } }, /* MODE_GETGAMMA */
    { 0xc02064a5, 32, { 8, 16, 24 } }, /* MODE_SETGAMMA */
    { 0xc05064a7, 80, { 0, 8, 16, 24 } }, /* MODE_GETCONNECTOR */
    { 0xc04064aa, 64, { 0, 8 } }, /* MODE_GETPROPERTY */
    { 0xc01064ac, 16, { 8 } }, /* MODE_GETPROPBLOB */
    { 0xc01064bd, 16, { 0 } }, /* MODE_CREATEPROPBLOB */
    { 0xc01864b1, 24, { 16 } }, /* MODE_DIRTYFB */
    { 0xc01064b5, 16, { 0 } }, /* MODE_GETPLANERESOURCES */
    { 0xc02064b6, 32, { 24 } }, /* MODE_GETPLANE */
    { 0xc02064b9, 32, { 0, 8 } }, /* MODE_OBJ_GETPROPERTIES */
    { 0xc03864bc, 56, { 8, 16, 24, 32 } }, /* MODE_ATOMIC */
    { 0xc01864c6, 24, { 0 } }, /* MODE_CREATE_LEASE */
    { 0xc01064c7, 16, { 8 } }, /* MODE_LIST_LESSEES */
    { 0xc01064c8, 16, { 8 } }, /* MODE_GET_LEASE */
    { 0xc02064c3, 32, { 0 } }, /* SYNCOBJ_WAIT */
    { 0xc01064c4, 16, { 0 } }, /* SYNCOBJ_RESET */
    { 0xc01064c5, 16, { 0 } }, /* SYNCOBJ_SIGNAL */
    { 0xc02864ca, 40, { 0, 8 } }, /* SYNCOBJ_TIMELINE_WAIT */
    { 0xc01864cd, 24, { 0, 8 } }, /* SYNCOBJ_TIMELINE_SIGNAL */
    { 0xc01864cb, 24, { 0, 8 } }, /* SYNCOBJ_QUERY */
    /* clang-format on */
};

/*
 * Direct rendering without pointers inside. Requests that only one driver knows, 0x40 to 0x9f,
 * point where they like: those are refused.
 */
/* clang-format off */
static const uint32_t drm_plain[] = {
    0xc0106407, /* SET_VERSION */
    0x80046402, /* GET_MAGIC */
    0x40046411, /* AUTH_MAGIC */
    0x0000641e, /* SET_MASTER */
    0x0000641f, /* DROP_MASTER */
    0xc010640c, /* GET_CAP */
    0x4010640d, /* SET_CLIENT_CAP */
    0x40086409, /* GEM_CLOSE */
    0xc008640a, /* GEM_FLINK */
    0xc010640b, /* GEM_OPEN */
    0xc00c642d, /* PRIME_HANDLE_TO_FD */
    0xc00c642e, /* PRIME_FD_TO_HANDLE */
    0xc018643a, /* WAIT_VBLANK */
    0xc018643b, /* CRTC_GET_SEQUENCE */
    0xc018643c, /* CRTC_QUEUE_SEQUENCE */
    0xc06864a1, /* MODE_GETCRTC */
    0xc01c64a3, /* MODE_CURSOR */
    0xc02464bb, /* MODE_CURSOR2 */
    0xc01464a6, /* MODE_GETENCODER */
    0xc01064ab, /* MODE_SETPROPERTY */
    0xc01864ba, /* MODE_OBJ_SETPROPERTY */
    0xc01c64ad, /* MODE_GETFB */
    0xc06864ce, /* MODE_GETFB2 */
    0xc01c64ae, /* MODE_ADDFB */
    0xc06864b8, /* MODE_ADDFB2 */
    0xc00464af, /* MODE_RMFB */
    0xc01864b0, /* MODE_PAGE_FLIP */
    0xc02064b2, /* MODE_CREATE_DUMB */
    0xc01064b3, /* MODE_MAP_DUMB */
    0xc00464b4, /* MODE_DESTROY_DUMB */
    0xc03064b7, /* MODE_SETPLANE */
    0xc00464be, /* MODE_DESTROYPROPBLOB */
    0xc00464c9, /* MODE_REVOKE_LEASE */
    0xc00864bf, /* SYNCOBJ_CREATE */
    0xc00864c0, /* SYNCOBJ_DESTROY */
    0xc01064c1, /* SYNCOBJ_HANDLE_TO_FD */
    0xc01064c2, /* SYNCOBJ_FD_TO_HANDLE */
    0xc02064cc, /* SYNCOBJ_TRANSFER */
};
/* clang-format on */

static bool drm_is_plain(uint32_t request)
{
    for (size_t n = 0; n < G_N_ELEMENTS(drm_plain); n++) {
        if (drm_plain[n] == request) {
            return true;
        }
    }
    return false;
}

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

int64_t sys_ioctl(TaskState *ts, uint64_t a[MAX_ARGS])
{
    enum { TYPE_DRM = 'd' };
    uint32_t request = (uint32_t)a[1];

    if (a[2] >= proc.guest_end && a[2] < UINT64_C(1) << 47) {
        return -EFAULT;
    }
    for (size_t n = 0; n < G_N_ELEMENTS(ioctl_structs); n++) {
        if (ioctl_structs[n].request == request) {
            return struct_ioctl(ts, a, &ioctl_structs[n]);
        }
    }
    if (_IOC_TYPE(request) == TYPE_DRM && !drm_is_plain(request)) {
        log_printf(LOG_UNIMP, "not implemented: ioctl 0x%x (direct rendering)\n", request);
        return -ENOTTY;
    }
    if (guest_base && is_address(request, a[2])) {
        a[2] = host_arg(a[2]);
    }
    return host_call(ts, a);
}
