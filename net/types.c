/* SPDX-License-Identifier: MIT */
/* The kinds of clients and filters there are: one line each. */
#include "net/filter.h"
#include "net/net.h"

extern const NetClientInfo net_hubport_info, net_socket_info, net_stream_info, net_dgram_info;
extern const NetClientInfo net_tap_info, net_bridge_info, net_user_info;
extern const NetFilterInfo net_filter_dump_info, net_filter_buffer_info, net_filter_mirror_info;
extern const NetFilterInfo net_filter_redirector_info;

const NetClientInfo *const net_client_types[] = {
    &net_user_info,   &net_tap_info,   &net_bridge_info,  &net_socket_info,
    &net_stream_info, &net_dgram_info, &net_hubport_info, NULL,
};
const NetFilterInfo *const net_filter_types[] = {
    &net_filter_dump_info,
    &net_filter_buffer_info,
    &net_filter_mirror_info,
    &net_filter_redirector_info,
    NULL,
};
