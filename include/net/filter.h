/* SPDX-License-Identifier: MIT */
/*
 * Filters: what sits on a netdev's wire and sees each packet (-object filter-dump,id=,netdev=,…).
 * One that keeps a packet hands it on later with net_filter_pass.
 */
#ifndef NET_FILTER_H
#define NET_FILTER_H

#include "net/net.h"

typedef enum NetDirection {
    NET_DIR_ALL,
    NET_DIR_RX, /* what the netdev receives: the guest sends it */
    NET_DIR_TX  /* what the netdev sends to the guest */
} NetDirection;

typedef struct NetFilterInfo {
    const char *type; /* "filter-dump" */
    const char *desc;
    size_t size;        /* of the filter's struct, which begins with a NetFilter */
    const OptDef *opts; /* beside id, netdev, queue, status, position */
    bool (*create)(NetFilter *f, const Opts *opts, GError **err);
    /* True: taken (it will be passed on later, or never); false: goes on to the next. */
    bool (*packet)(NetFilter *f, NetClient *sender, NetDirection dir, const struct iovec *iov,
                   int iovcnt);
    void (*status_changed)(NetFilter *f);
    void (*cleanup)(NetFilter *f);
    /* Of packets kept, those of this client are dropped: it goes away. How many? NULL: it keeps
     * none. */
    unsigned (*forget)(NetFilter *f, NetClient *sender);
    void (*describe)(NetFilter *f, GString *out); /* `info network`: ",key=value" and counters */
} NetFilterInfo;

struct NetFilter {
    const NetFilterInfo *info;
    char *id;
    NetClient *netdev;
    NetDirection direction; /* queue=all|rx|tx */
    bool on;                /* status=on|off */
    uint64_t packets;       /* seen */
    uint64_t taken;         /* … and kept from going on at once */
};

extern const NetFilterInfo *const net_filter_types[]; /* NULL at the end */
extern const OptDef net_filter_opts[];                /* those of every type */

bool net_filter_add(const char *type, const Opts *opts, GError **err);
NetFilter *net_filter_find(const char *id); /* NULL: there is none */
bool net_filter_del(const char *id, GError **err);
bool net_filter_set_status(const char *id, bool on, GError **err);
/* Of a client that goes away: all. */
void net_filters_drop(NetClient *nc);
/* Of a client whose peer goes away: what they keep of that one's packets is dropped, and counted.
 */
void net_filters_forget(NetClient *nc, NetClient *sender);
/* For `info network`: a line for each, behind `indent`. */
void net_filters_describe(NetClient *nc, GString *out, const char *indent);
/* Through the filters of the sender and its peer; true: one has taken it. */
bool net_filters_run(NetClient *sender, const struct iovec *iov, int iovcnt);
/* The packet goes on behind filter f as if f had not been there. */
void net_filter_pass(NetFilter *f, NetClient *sender, const struct iovec *iov, int iovcnt);

#endif
