/* SPDX-License-Identifier: MIT */
/*
 * Virtio console device with many ports: consoles (virtconsole) and named channels
 * (virtserialport), which are devices on its own bus. Virtio 1.2, 5.3.
 */
#include <string.h>
#include "chardev/chardev.h"
#include "hw/virtio/virtio-pci.h"

enum { F_MULTIPORT = 1, F_EMERG_WRITE = 2, MAX_PORTS = 31, QUEUE_SIZE = 128 };

/* Control events. */
enum {
    DEVICE_READY = 0,
    DEVICE_ADD = 1,
    DEVICE_REMOVE = 2,
    PORT_READY = 3,
    CONSOLE_PORT = 4,
    PORT_OPEN = 6,
    PORT_NAME = 7,
};

typedef struct SerialConfig {
    uint16_t cols, rows;
    uint32_t max_ports, emergency;
} SerialConfig;

typedef struct Control {
    uint32_t id;
    uint16_t event, value;
} Control;

typedef struct SerialPort SerialPort;

typedef struct VirtIOSerial {
    VirtIODevice parent;
    Bus bus;
    uint32_t max_ports;
    VirtQueue *ctrl_in, *ctrl_out;
    SerialPort *ports[MAX_PORTS];
    GQueue waiting; /* GBytes: control messages that the driver has no buffers for yet */
} VirtIOSerial;

/* DeviceType.ops of port types. */
typedef struct PortOps {
    bool console;
} PortOps;

struct SerialPort {
    Device parent;
    Chardev *chardev;
    char *name;
    uint32_t nr; /* UINT32_MAX: the first that is free */
    bool console;
    CharFrontend fe;
    VirtQueue *in, *out;
    bool guest_open;
    VirtChain *sending; /* not all of it has been taken yet */
    uint64_t sent;
};

static VirtIOSerial *serial_of(const SerialPort *p)
{
    return (VirtIOSerial *)p->parent.bus->parent;
}

/* ---- control messages to the driver -------------------------------------------------------- */

static void flush_control(VirtIOSerial *s)
{
    bool any = false;
    while (!g_queue_is_empty(&s->waiting)) {
        VirtChain *c = virtq_pop(s->ctrl_in, sizeof(*c));
        if (!c) {
            break;
        }
        GBytes *message = g_queue_pop_head(&s->waiting);
        gsize len;
        const void *data = g_bytes_get_data(message, &len);
        virtq_push(s->ctrl_in, c, (uint32_t)iov_from_buf(c->in, c->in_num, 0, data, len));
        g_bytes_unref(message);
        any = true;
    }
    if (any) {
        virtq_notify(s->ctrl_in);
    }
}

static void tell(VirtIOSerial *s, uint32_t id, uint16_t event, uint16_t value, const char *text)
{
    const Control c = { id, event, value };
    if (!virtio_has(&s->parent, F_MULTIPORT) || !virtio_running(&s->parent)) {
        return;
    }
    GByteArray *message = g_byte_array_new();
    g_byte_array_append(message, (const guint8 *)&c, sizeof(c));
    if (text) {
        g_byte_array_append(message, (const guint8 *)text, (guint)strlen(text) + 1);
    }
    g_queue_push_tail(&s->waiting, g_byte_array_free_to_bytes(message));
    flush_control(s);
}

/* ---- data -------------------------------------------------------------------------------- */

static void send(SerialPort *p)
{
    for (;;) {
        if (!p->sending) {
            p->sending = virtq_pop(p->out, sizeof(VirtChain));
            p->sent = 0;
        }
        VirtChain *c = p->sending;
        if (!c) {
            break;
        }
        while (p->sent < c->out_bytes) {
            uint8_t buf[4096];
            uint64_t n = iov_to_buf(c->out, c->out_num, p->sent, buf, sizeof(buf));
            size_t taken = char_write(&p->fe, buf, n);
            p->sent += taken;
            if (taken < n) {
                virtq_notify(p->out);
                return; /* until there is room */
            }
        }
        p->sending = NULL;
        virtq_push(p->out, c, 0);
    }
    virtq_notify(p->out);
}

static SerialPort *port_of_queue(VirtIODevice *vdev, const VirtQueue *vq)
{
    VirtIOSerial *s = (VirtIOSerial *)vdev;
    unsigned n = virtq_index(vq) / 2, port = n ? n - 1 : 0;
    return s->ports[port];
}

static void out_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    SerialPort *p = port_of_queue(vdev, vq);
    if (p) {
        send(p);
        return;
    }
    for (VirtChain *c; (c = virtq_pop(vq, sizeof(*c)));) {
        virtq_push(vq, c, 0); /* nobody is there */
    }
    virtq_notify(vq);
}

static void in_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    SerialPort *p = port_of_queue(vdev, vq);
    if (p) {
        char_accept_input(&p->fe);
    }
}

static bool listening(const SerialPort *p)
{
    const VirtIODevice *vdev = &serial_of(p)->parent;
    return virtio_running(vdev) && (p->guest_open || !virtio_has(vdev, F_MULTIPORT));
}

static size_t can_read(void *opaque)
{
    SerialPort *p = opaque;
    return listening(p) && !virtq_empty(p->in) ? 4096 : 0;
}

/* What does not fit in the buffers that are there is lost: can_read has promised one only. */
static void receive(void *opaque, const uint8_t *buf, size_t len)
{
    SerialPort *p = opaque;
    while (len) {
        VirtChain *c = virtq_pop(p->in, sizeof(*c));
        if (!c) {
            break;
        }
        uint64_t n = iov_from_buf(c->in, c->in_num, 0, buf, len);
        virtq_push(p->in, c, (uint32_t)n);
        buf += n;
        len -= n;
    }
    virtq_notify(p->in);
}

static void host_event(void *opaque, CharEvent event)
{
    SerialPort *p = opaque;
    if (event == CHAR_EVENT_OPENED || event == CHAR_EVENT_CLOSED) {
        tell(serial_of(p), p->nr, PORT_OPEN, event == CHAR_EVENT_OPENED, NULL);
    }
}

static void writable(void *opaque)
{
    SerialPort *p = opaque;
    if (virtio_running(&serial_of(p)->parent)) {
        send(p);
    }
}

/* ---- control messages from the driver ------------------------------------------------------- */

static void port_ready(VirtIOSerial *s, SerialPort *p)
{
    if (p->console) {
        tell(s, p->nr, CONSOLE_PORT, 1, NULL);
    }
    if (p->name) {
        tell(s, p->nr, PORT_NAME, 1, p->name);
    }
    if (char_is_open(&p->fe)) {
        tell(s, p->nr, PORT_OPEN, 1, NULL);
    }
}

static void driver_says(VirtIOSerial *s, const Control *c)
{
    if (c->event == DEVICE_READY && c->value) {
        for (uint32_t i = 0; i < s->max_ports; i++) {
            if (s->ports[i]) {
                tell(s, i, DEVICE_ADD, 1, NULL);
            }
        }
        return;
    }
    SerialPort *p = c->id < MAX_PORTS ? s->ports[c->id] : NULL;
    if (p && c->event == PORT_READY && c->value) {
        port_ready(s, p);
    } else if (p && c->event == PORT_OPEN) {
        p->guest_open = c->value;
        char_accept_input(&p->fe);
    }
}

static void ctrl_out_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOSerial *s = (VirtIOSerial *)vdev;
    for (VirtChain *c; (c = virtq_pop(vq, sizeof(*c)));) {
        Control message;
        bool whole =
            iov_to_buf(c->out, c->out_num, 0, &message, sizeof(message)) == sizeof(message);
        virtq_push(vq, c, 0);
        if (whole) {
            driver_says(s, &message);
        }
    }
    virtq_notify(vq);
}

static void ctrl_in_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    (void)vq;
    flush_control((VirtIOSerial *)vdev);
}

/* ---- the device -------------------------------------------------------------------------- */

static void get_features(VirtIODevice *vdev, uint64_t *features)
{
    VirtIOSerial *s = (VirtIOSerial *)vdev;
    *features |= 1ull << F_EMERG_WRITE | (uint64_t)(s->max_ports > 1) << F_MULTIPORT;
}

static void get_config(VirtIODevice *vdev, uint8_t *out)
{
    const SerialConfig c = { .max_ports = ((VirtIOSerial *)vdev)->max_ports };
    memcpy(out, &c, sizeof(c));
}

/* Early output, a byte each, to the first console. */
static void set_config(VirtIODevice *vdev, const uint8_t *config, uint32_t offset, uint32_t len)
{
    VirtIOSerial *s = (VirtIOSerial *)vdev;
    if (offset <= offsetof(SerialConfig, emergency) &&
        offset + len > offsetof(SerialConfig, emergency) && s->ports[0]) {
        char_write(&s->ports[0]->fe, config + offsetof(SerialConfig, emergency), 1);
    }
}

static void serial_reset(VirtIODevice *vdev)
{
    VirtIOSerial *s = (VirtIOSerial *)vdev;
    g_queue_clear_full(&s->waiting, (GDestroyNotify)g_bytes_unref);
    for (int i = 0; i < MAX_PORTS; i++) {
        SerialPort *p = s->ports[i];
        if (p) {
            p->guest_open = false;
            virtq_drop(g_steal_pointer(&p->sending));
        }
    }
}

static bool serial_realize(Device *dev, GError **err)
{
    static const BusType bus_type = { .name = "virtio-serial-bus", .max = MAX_PORTS };
    static unsigned count;
    VirtIOSerial *s = (VirtIOSerial *)dev;
    if (!virtio_device_realize(dev, err)) {
        return false;
    }
    for (uint32_t i = 0; i < s->max_ports; i++) {
        virtio_add_queue(&s->parent, QUEUE_SIZE, in_kicked);
        virtio_add_queue(&s->parent, QUEUE_SIZE, out_kicked);
        if (i == 0 && s->max_ports > 1) {
            s->ctrl_in = virtio_add_queue(&s->parent, 32, ctrl_in_kicked);
            s->ctrl_out = virtio_add_queue(&s->parent, 32, ctrl_out_kicked);
        }
    }
    g_queue_init(&s->waiting);
    const Device *carrier = dev->bus->parent;
    const char *id = dev->id ? dev->id : carrier ? carrier->id : NULL;
    g_autofree char *name =
        id ? g_strdup_printf("%s.0", id) : g_strdup_printf("virtio-serial-bus.%u", count++);
    bus_init(&s->bus, &bus_type, dev, name);
    return true;
}

static void serial_unrealize(Device *dev)
{
    serial_reset((VirtIODevice *)dev);
    virtio_device_unrealize(dev);
}

static const VirtIOOps ops = {
    .id = VIRTIO_ID_CONSOLE,
    .config_size = sizeof(SerialConfig),
    .get_features = get_features,
    .get_config = get_config,
    .set_config = set_config,
    .reset = serial_reset,
};

static const Property props[] = {
    { .name = "max_ports",
      .kind = PROP_U32,
      .offset = offsetof(VirtIOSerial, max_ports),
      .preset = "31",
      .min = 1,
      .max = MAX_PORTS,
      .doc = "ports that there can be" },
    { .name = NULL },
};

const DeviceType virtio_serial_type = {
    .name = "virtio-serial-device",
    .category = "input",
    .desc = "virtio consoles and channels",
    .parent = &virtio_device_type,
    .size = sizeof(VirtIOSerial),
    .props = props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = serial_realize,
    .unrealize = serial_unrealize,
    .ops = &ops,
};
DEVICE_TYPE(virtio_serial_type)

VIRTIO_PCI_TYPE(virtio_serial_pci, "virtio-serial", "input", "virtio consoles and channels",
                virtio_serial_type)

/* ---- ports ------------------------------------------------------------------------------- */

/* Number 0 is for a console: drivers without many ports know no other. */
static bool choose_number(const VirtIOSerial *s, SerialPort *p, GError **err)
{
    uint32_t first = p->console ? 0 : 1;
    if (p->nr == UINT32_MAX) {
        p->nr = first;
        while (p->nr < s->max_ports && s->ports[p->nr]) {
            p->nr++;
        }
    }
    if (p->nr < first || p->nr >= s->max_ports || s->ports[p->nr]) {
        g_set_error(err, HW_ERROR, 0, "port number %u is taken, or not in %u…%u", p->nr, first,
                    s->max_ports - 1);
        return false;
    }
    return true;
}

static bool port_realize(Device *dev, GError **err)
{
    static const CharUser user = { can_read, receive, host_event, writable };
    SerialPort *p = (SerialPort *)dev;
    VirtIOSerial *s = serial_of(p);
    p->console = ((const PortOps *)dev->type->ops)->console;
    if (!choose_number(s, p, err)) {
        return false;
    }
    unsigned queue = p->nr ? p->nr * 2 + 2 : 0;
    p->in = virtio_queue(&s->parent, queue);
    p->out = virtio_queue(&s->parent, queue + 1);
    if (!char_connect(&p->fe, p->chardev, &user, p, err)) {
        return false;
    }
    s->ports[p->nr] = p;
    tell(s, p->nr, DEVICE_ADD, 1, NULL);
    return true;
}

static void port_unrealize(Device *dev)
{
    SerialPort *p = (SerialPort *)dev;
    VirtIOSerial *s = serial_of(p);
    char_disconnect(&p->fe);
    virtq_drop(g_steal_pointer(&p->sending));
    s->ports[p->nr] = NULL;
    tell(s, p->nr, DEVICE_REMOVE, 1, NULL);
}

static const Property port_props[] = {
    { .name = "chardev",
      .kind = PROP_CHARDEV,
      .offset = offsetof(SerialPort, chardev),
      .doc = "where it leads" },
    { .name = "name",
      .kind = PROP_STR,
      .offset = offsetof(SerialPort, name),
      .doc = "name that the guest knows it by" },
    { .name = "nr",
      .kind = PROP_U32,
      .offset = offsetof(SerialPort, nr),
      .preset = "4294967295",
      .doc = "port number; the first that is free if not given" },
    { .name = NULL },
};

#define PORT_TYPE(var, type_name, text, is_console)             \
    static const PortOps var##_ops = { .console = is_console }; \
    static const DeviceType var = {                             \
        .name = type_name,                                      \
        .bus = "virtio-serial-bus",                             \
        .category = "input",                                    \
        .desc = text,                                           \
        .size = sizeof(SerialPort),                             \
        .props = port_props,                                    \
        .user_creatable = true,                                 \
        .hotpluggable = true,                                   \
        .realize = port_realize,                                \
        .unrealize = port_unrealize,                            \
        .ops = &var##_ops,                                      \
    };                                                          \
    DEVICE_TYPE(var)

PORT_TYPE(virtconsole, "virtconsole", "console on a virtio-serial device", true)
PORT_TYPE(virtserialport, "virtserialport", "named channel of a virtio-serial device", false)
