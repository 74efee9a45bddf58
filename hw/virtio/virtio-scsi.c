/* SPDX-License-Identifier: MIT */
/* Virtio SCSI host adapter. Virtio 1.2, 5.6. */
#include <stdio.h>
#include <string.h>
#include "hw/scsi/scsi.h"
#include "hw/virtio/virtio-pci.h"

enum { F_INOUT = 0, F_HOTPLUG = 1, F_CHANGE = 2 };
enum { Q_CONTROL = 0, Q_EVENT = 1, Q_REQUEST = 2 };

/* response */
enum {
    S_OK = 0,
    S_OVERRUN = 1,
    S_ABORTED = 2,
    S_BAD_TARGET = 3,
    S_FAILURE = 9,
    S_FUNCTION_SUCCEEDED = 10,
    S_FUNCTION_REJECTED = 11,
    S_INCORRECT_LUN = 12,
};

/* Task management, and its subtypes. */
enum {
    T_TASK_MANAGEMENT = 0,
    T_QUERY_EVENTS = 1,
    T_SUBSCRIBE_EVENTS = 2,

    TMF_ABORT_TASK = 0,
    TMF_ABORT_TASK_SET = 1,
    TMF_CLEAR_TASK_SET = 3,
    TMF_NEXUS_RESET = 4,
    TMF_UNIT_RESET = 5,
    TMF_QUERY_TASK = 6,
    TMF_QUERY_TASK_SET = 7,
};

enum {
    EV_TRANSPORT_RESET = 1,
    EV_PARAMETERS = 3,
    EV_MISSED = 1u << 31,
    REASON_RESCAN = 1,
    REASON_REMOVED = 2,
};

enum {
    MAX_CDB = SCSI_CDB_MAX,
    PRESET_SENSE = 96,
    MAX_SENSE = 252,
    MAX_SEGMENTS = 126,
    MAX_SECTORS = 0xffff,
    COMMANDS_PER_LUN = 128,
};

/* All little endian. */
typedef struct ScsiConfig {
    uint32_t num_queues, seg_max, max_sectors, cmd_per_lun, event_info_size, sense_size, cdb_size;
    uint16_t max_channel, max_target;
    uint32_t max_lun;
} __attribute__((packed)) ScsiConfig;

typedef struct CommandHeader { /* a CDB of cdb_size bytes behind it */
    uint8_t lun[8];
    uint64_t id;
    uint8_t task_attr, prio, crn;
} __attribute__((packed)) CommandHeader;

typedef struct CommandAnswer { /* sense_size bytes behind it */
    uint32_t sense_len, residual;
    uint16_t status_qualifier;
    uint8_t status, response;
} __attribute__((packed)) CommandAnswer;

typedef struct TaskManagement {
    uint32_t type, subtype;
    uint8_t lun[8];
    uint64_t id;
} __attribute__((packed)) TaskManagement;

typedef struct Event {
    uint32_t event;
    uint8_t lun[8];
    uint32_t reason;
} __attribute__((packed)) Event;

typedef struct VirtIOSCSI {
    VirtIODevice parent;
    SCSIBus bus;
    uint32_t nb_queues, queue_size, max_sectors, cmd_per_lun;
    bool hotplug, param_change;
    uint32_t sense_size, cdb_size; /* which the driver may change */
    bool events_missed;
    void *iothread;           /* only held */
    struct Command *commands; /* under way */
    VirtQueue *event_vq;
} VirtIOSCSI;

/* A chain, the SCSI request that it holds, and where its answer goes. */
typedef struct Command {
    VirtChain chain; /* `in` and `out` become the data */
    SCSIRequest request;
    VirtIOSCSI *dev;
    struct iovec *answer; /* the front of the chain's `in`, as it was; g_malloc */
    unsigned nb_answer;
    uint32_t answer_bytes;
    uint8_t lun[8];
    bool aborted;
    struct Command *next, **link;
} Command;

/* ---- addresses --------------------------------------------------------------------------- */

static bool lun_parse(const uint8_t lun[8], uint32_t *id, uint32_t *unit)
{
    *id = lun[1];
    *unit = (uint32_t)(lun[2] << 8 | lun[3]) & 0x3fff;
    return lun[0] == 1;
}

/* As REPORT LUNS has it: Linux compares them. */
static void lun_make(const SCSIDevice *dev, uint8_t lun[8])
{
    memset(lun, 0, 8);
    lun[0] = 1;
    lun[1] = (uint8_t)dev->id;
    lun[2] = (uint8_t)(dev->lun < 256 ? 0 : dev->lun >> 8 | 0x40);
    lun[3] = (uint8_t)dev->lun;
}

/* ---- commands ---------------------------------------------------------------------------- */

static void answer(Command *c, const CommandAnswer *a, const uint8_t *sense, size_t sense_len)
{
    VirtQueue *vq = c->chain.vq;
    VirtIOSCSI *s = c->dev;
    uint64_t written = iov_from_buf(c->answer, c->nb_answer, 0, a, sizeof(*a));
    written += iov_from_buf(c->answer, c->nb_answer, written, sense, sense_len);
    for (unsigned i = 0; i < c->nb_answer; i++) {
        address_space_unmap(s->parent.dma, c->answer[i].iov_base, c->answer[i].iov_len);
    }
    if (c->link) {
        *c->link = c->next;
        if (c->next) {
            c->next->link = c->link;
        }
    }
    g_free(c->answer);
    /* What was written has been said piece by piece; the chain's `in` is the data alone by now. */
    c->chain.in_num = 0;
    virtq_push(vq, c, c->answer_bytes + (uint32_t)c->request.transferred);
    virtq_notify(vq);
}

static void respond(Command *c, uint8_t response)
{
    const CommandAnswer a = { .response = response };
    answer(c, &a, NULL, 0);
}

static void done(SCSIRequest *r)
{
    Command *c = (Command *)((char *)r - offsetof(Command, request));
    uint64_t room = r->in_bytes + r->out_bytes;
    uint8_t sense[SCSI_SENSE_SIZE];
    CommandAnswer a = {
        .status = r->status,
        .residual = (uint32_t)(room - MIN(r->transferred, room)),
        .response = c->aborted                   ? S_ABORTED
                    : r->wanted > r->transferred ? S_OVERRUN
                                                 : S_OK,
    };
    for (unsigned i = 0; i < r->in_num; i++) {
        address_space_unmap(c->dev->parent.dma, r->in[i].iov_base, r->in[i].iov_len);
    }
    if (r->status == SCSI_CHECK_CONDITION) {
        scsi_sense_bytes(r->sense, sense);
        a.sense_len = MIN(sizeof(sense), c->dev->sense_size);
        a.response = c->aborted ? S_ABORTED : S_OK;
    }
    answer(c, &a, sense, a.sense_len);
}

/* Takes the header off `out` and the room for the answer off `in`. False: there is not enough. */
static bool parse(VirtIOSCSI *s, Command *c, CommandHeader *h)
{
    VirtChain *chain = &c->chain;
    const uint64_t head = sizeof(*h) + s->cdb_size;
    c->answer_bytes = (uint32_t)sizeof(CommandAnswer) + s->sense_size;
    if (chain->out_bytes < head || chain->in_bytes < c->answer_bytes) {
        return false;
    }
    iov_to_buf(chain->out, chain->out_num, 0, h, sizeof(*h));
    iov_to_buf(chain->out, chain->out_num, sizeof(*h), c->request.cdb, MIN(s->cdb_size, MAX_CDB));
    iov_discard_front(&chain->out, &chain->out_num, head);
    c->answer = g_new(struct iovec, chain->in_num);
    uint64_t left = c->answer_bytes;
    for (unsigned i = 0; left; i++) {
        uint64_t n = MIN(chain->in[i].iov_len, left);
        c->answer[c->nb_answer++] = (struct iovec){ chain->in[i].iov_base, n };
        left -= n;
    }
    iov_discard_front(&chain->in, &chain->in_num, c->answer_bytes);
    return true;
}

static void handle(VirtIOSCSI *s, Command *c)
{
    SCSIRequest *r = &c->request;
    uint32_t id, unit;
    CommandHeader h;
    c->dev = s;
    if (!parse(s, c, &h)) {
        virtio_error(&s->parent, "a command without a header or room for its answer");
        virtq_drop(c);
        return;
    }
    memcpy(c->lun, h.lun, sizeof(c->lun));
    r->tag = h.id;
    r->done = done;
    r->out = c->chain.out;
    r->out_num = c->chain.out_num;
    r->out_bytes = c->chain.out_bytes - sizeof(h) - s->cdb_size;
    r->in = c->chain.in;
    r->in_num = c->chain.in_num;
    r->in_bytes = c->chain.in_bytes - c->answer_bytes;
    if (!lun_parse(h.lun, &id, &unit) || !scsi_target_exists(&s->bus, 0, id)) {
        respond(c, S_BAD_TARGET);
        return;
    }
    if (r->out_bytes && r->in_bytes) { /* no command here goes both ways */
        respond(c, S_FAILURE);
        return;
    }
    c->next = s->commands;
    c->link = &s->commands;
    if (c->next) {
        c->next->link = &c->next;
    }
    s->commands = c;
    scsi_execute(&s->bus, 0, id, unit, r);
}

static void request_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    do {
        virtq_set_notification(vq, false);
        for (Command *c; (c = virtq_pop(vq, sizeof(*c)));) {
            handle((VirtIOSCSI *)vdev, c);
        }
        virtq_set_notification(vq, true);
    } while (!virtq_empty(vq));
}

/* ---- task management --------------------------------------------------------------------- */

static Command *find_command(const VirtIOSCSI *s, const TaskManagement *t, bool any_tag)
{
    for (Command *c = s->commands; c; c = c->next) {
        if (!memcmp(c->lun, t->lun, sizeof(c->lun)) && (any_tag || c->request.tag == t->id)) {
            return c;
        }
    }
    return NULL;
}

/* What is under way cannot be called back: it is waited for, and says that it was aborted. */
static void abort_commands(VirtIOSCSI *s, SCSIDevice *dev, const TaskManagement *t, bool all)
{
    for (Command *c = s->commands; c; c = c->next) {
        if (!memcmp(c->lun, t->lun, sizeof(c->lun)) && (all || c->request.tag == t->id)) {
            c->aborted = true;
        }
    }
    dev->ops->drain(dev);
}

static void reset_target(VirtIOSCSI *s, uint32_t id)
{
    for (guint i = 0; i < s->bus.bus.devices->len; i++) {
        SCSIDevice *dev = s->bus.bus.devices->pdata[i];
        if (dev->id == id) {
            scsi_device_reset(dev);
        }
    }
}

static uint8_t manage(VirtIOSCSI *s, const TaskManagement *t)
{
    uint32_t id, unit;
    if (!lun_parse(t->lun, &id, &unit) || !scsi_target_exists(&s->bus, 0, id)) {
        return S_BAD_TARGET;
    }
    SCSIDevice *dev = scsi_find(&s->bus, 0, id, unit);
    if (!dev && t->subtype != TMF_NEXUS_RESET) {
        return S_INCORRECT_LUN;
    }
    switch (t->subtype) {
    case TMF_ABORT_TASK:
        abort_commands(s, dev, t, false);
        return S_OK;
    case TMF_ABORT_TASK_SET:
    case TMF_CLEAR_TASK_SET:
        abort_commands(s, dev, t, true);
        return S_OK;
    case TMF_UNIT_RESET:
        abort_commands(s, dev, t, true);
        scsi_device_reset(dev);
        return S_OK;
    case TMF_NEXUS_RESET:
        reset_target(s, id);
        return S_OK;
    case TMF_QUERY_TASK:
        return find_command(s, t, false) ? S_FUNCTION_SUCCEEDED : S_OK;
    case TMF_QUERY_TASK_SET:
        return find_command(s, t, true) ? S_FUNCTION_SUCCEEDED : S_OK;
    default:
        return S_FUNCTION_REJECTED;
    }
}

static void control_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOSCSI *s = (VirtIOSCSI *)vdev;
    for (VirtChain *c; (c = virtq_pop(vq, sizeof(*c)));) {
        TaskManagement t = { 0 };
        uint64_t n = iov_to_buf(c->out, c->out_num, 0, &t, sizeof(t));
        /* Asynchronous notification: there are no such events. */
        uint8_t out[5] = { 0, 0, 0, 0, S_OK };
        bool task = t.type == T_TASK_MANAGEMENT, ok = n == sizeof(t) || (!task && n >= 16);
        if (task) {
            out[4] = ok ? manage(s, &t) : S_FAILURE;
        } else if (t.type > T_SUBSCRIBE_EVENTS || !ok) {
            out[4] = S_FAILURE;
        }
        n = iov_from_buf(c->in, c->in_num, 0, task ? out + 4 : out, task ? 1 : 5);
        virtq_push(vq, c, (uint32_t)n);
    }
    virtq_notify(vq);
}

/* ---- events ------------------------------------------------------------------------------ */

static void push_event(VirtIOSCSI *s, uint32_t event, uint32_t reason, const SCSIDevice *dev)
{
    Event e = { .event = event, .reason = reason };
    VirtChain *c = virtio_running(&s->parent) ? virtq_pop(s->event_vq, sizeof(*c)) : NULL;
    if (!c) {
        s->events_missed = true;
        return;
    }
    if (s->events_missed) {
        e.event |= EV_MISSED;
        s->events_missed = false;
    }
    if (dev) {
        lun_make(dev, e.lun);
    }
    uint64_t n = iov_from_buf(c->in, c->in_num, 0, &e, sizeof(e));
    virtq_push(s->event_vq, c, (uint32_t)n);
    virtq_notify(s->event_vq);
}

/* There is room again for what was missed. */
static void event_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOSCSI *s = (VirtIOSCSI *)vdev;
    (void)vq;
    if (s->events_missed) {
        push_event(s, 0, 0, NULL);
    }
}

static VirtIOSCSI *adapter(SCSIBus *bus)
{
    return (VirtIOSCSI *)bus->bus.parent;
}

static void plugged(SCSIBus *bus, SCSIDevice *dev, bool in)
{
    VirtIOSCSI *s = adapter(bus);
    if (virtio_has(&s->parent, F_HOTPLUG)) {
        push_event(s, EV_TRANSPORT_RESET, in ? REASON_RESCAN : REASON_REMOVED, dev);
    }
}

static void changed(SCSIBus *bus, SCSIDevice *dev, SCSISense sense)
{
    VirtIOSCSI *s = adapter(bus);
    if (virtio_has(&s->parent, F_CHANGE)) {
        push_event(s, EV_PARAMETERS, sense.asc | (uint32_t)sense.ascq << 8, dev);
    }
}

/* ---- the device -------------------------------------------------------------------------- */

static void get_features(VirtIODevice *vdev, uint64_t *features)
{
    const VirtIOSCSI *s = (VirtIOSCSI *)vdev;
    *features |= (uint64_t)s->hotplug << F_HOTPLUG | (uint64_t)s->param_change << F_CHANGE;
}

static void get_config(VirtIODevice *vdev, uint8_t *out)
{
    const VirtIOSCSI *s = (VirtIOSCSI *)vdev;
    const ScsiConfig c = {
        .num_queues = s->nb_queues,
        .seg_max = MIN(MAX_SEGMENTS, s->queue_size - 2),
        .max_sectors = s->max_sectors,
        .cmd_per_lun = s->cmd_per_lun,
        .event_info_size = sizeof(Event),
        .sense_size = s->sense_size,
        .cdb_size = s->cdb_size,
        .max_target = SCSI_MAX_TARGET,
        .max_lun = SCSI_MAX_LUN,
    };
    memcpy(out, &c, sizeof(c));
}

static void set_config(VirtIODevice *vdev, const uint8_t *config, uint32_t offset, uint32_t len)
{
    VirtIOSCSI *s = (VirtIOSCSI *)vdev;
    ScsiConfig c;
    (void)offset, (void)len;
    memcpy(&c, config, sizeof(c));
    if (c.sense_size <= MAX_SENSE && c.cdb_size <= MAX_SENSE) {
        s->sense_size = c.sense_size;
        s->cdb_size = c.cdb_size;
    } else {
        virtio_error(vdev, "sense_size %u, cdb_size %u", c.sense_size, c.cdb_size);
    }
}

static void scsi_reset(VirtIODevice *vdev)
{
    VirtIOSCSI *s = (VirtIOSCSI *)vdev;
    for (guint i = 0; i < s->bus.bus.devices->len; i++) {
        SCSIDevice *dev = s->bus.bus.devices->pdata[i];
        if (dev->parent.realized) {
            scsi_device_reset(dev);
        }
    }
    s->sense_size = PRESET_SENSE;
    s->cdb_size = MAX_CDB;
    s->events_missed = false;
}

static bool scsi_realize(Device *dev, GError **err)
{
    static const SCSIBusOps bus_ops = { 0, SCSI_MAX_TARGET, SCSI_MAX_LUN, plugged, changed };
    VirtIOSCSI *s = (VirtIOSCSI *)dev;
    char name[64];
    if (s->queue_size < 4 || s->queue_size > VIRTIO_MAX_QUEUE_SIZE ||
        s->queue_size & (s->queue_size - 1)) {
        g_set_error(err, HW_ERROR, 0, "virtqueue_size=%u is not a power of 2 in 4…%d",
                    s->queue_size, VIRTIO_MAX_QUEUE_SIZE);
        return false;
    }
    if (!virtio_device_realize(dev, err)) {
        return false;
    }
    virtio_add_queue(&s->parent, s->queue_size, control_kicked);
    s->event_vq = virtio_add_queue(&s->parent, s->queue_size, event_kicked);
    for (unsigned i = 0; i < s->nb_queues; i++) {
        virtio_add_queue(&s->parent, s->queue_size, request_kicked);
    }
    s->sense_size = PRESET_SENSE;
    s->cdb_size = MAX_CDB;
    static unsigned count;
    snprintf(name, sizeof(name), "scsi%u.0", count++);
    if (dev->id) {
        snprintf(name, sizeof(name), "%.60s.0", dev->id);
    }
    scsi_bus_init(&s->bus, dev, name, &bus_ops);
    return true;
}

static const VirtIOOps ops = {
    .id = VIRTIO_ID_SCSI,
    .config_size = sizeof(ScsiConfig),
    .get_features = get_features,
    .get_config = get_config,
    .set_config = set_config,
    .reset = scsi_reset,
};

static const Property props[] = {
    { .name = "iothread",
      .kind = PROP_IOTHREAD,
      .offset = offsetof(VirtIOSCSI, iothread),
      .doc = "an -object iothread; the requests are done by the main loop's thread all the same" },
    { .name = "num_queues",
      .kind = PROP_U32,
      .offset = offsetof(VirtIOSCSI, nb_queues),
      .preset = "1",
      .min = 1,
      .max = 64,
      .doc = "request queues" },
    { .name = "virtqueue_size",
      .kind = PROP_U32,
      .offset = offsetof(VirtIOSCSI, queue_size),
      .preset = "256",
      .doc = "buffers in a queue" },
    { .name = "max_sectors",
      .kind = PROP_U32,
      .offset = offsetof(VirtIOSCSI, max_sectors),
      .preset = "65535",
      .doc = "sectors of the longest transfer" },
    { .name = "cmd_per_lun",
      .kind = PROP_U32,
      .offset = offsetof(VirtIOSCSI, cmd_per_lun),
      .preset = "128",
      .doc = "commands under way for a unit" },
    { .name = "hotplug",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtIOSCSI, hotplug),
      .preset = "on",
      .doc = "the guest hears of units that come and go" },
    { .name = "param_change",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtIOSCSI, param_change),
      .preset = "on",
      .doc = "the guest hears of units that change" },
    { .name = NULL },
};

const DeviceType virtio_scsi_type = {
    .name = "virtio-scsi-device",
    .category = "storage",
    .desc = "virtio SCSI host adapter",
    .parent = &virtio_device_type,
    .size = sizeof(VirtIOSCSI),
    .props = props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = scsi_realize,
    .ops = &ops,
};
DEVICE_TYPE(virtio_scsi_type)

VIRTIO_PCI_TYPE(virtio_scsi_pci, "virtio-scsi", "storage", "virtio SCSI host adapter",
                virtio_scsi_type)
