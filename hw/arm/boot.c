/* SPDX-License-Identifier: MIT */
/* Direct boot. Linux: Documentation/arch/arm64/booting.rst; ELF: the gABI; zboot:
 * drivers/firmware/efi/libstub/zboot-header.S's layout. */
#include <elf.h>
#include <inttypes.h>
#include <libfdt.h>
#include <string.h>
#include "hw/arm/boot.h"
#include "hw/mem/pc-dimm.h"
#include "util/round.h"

enum { MIB = 1 << 20 };

/* The first 64 bytes of an arm64 Image. */
typedef struct ImageHeader {
    uint32_t code[2];
    uint64_t text_offset; /* little endian, as all */
    uint64_t image_size;  /* 0: before Linux 3.17 */
    uint64_t flags;
    uint64_t reserved[3];
    uint32_t magic; /* "ARM\x64" */
    uint32_t pe_offset;
} ImageHeader;

typedef struct ZbootHeader {
    uint8_t mz[4];
    char zimg[4];
    uint32_t payload_offset, payload_size;
    uint32_t reserved[2];
    char compression[32];
} ZbootHeader;

static bool in_ram(const ArmBoot *b, hwaddr addr, uint64_t size)
{
    return addr >= b->ram_start && addr - b->ram_start <= b->ram_size &&
           size <= b->ram_size - (addr - b->ram_start);
}

static bool place(const ArmBoot *b, const char *what, GBytes *data, hwaddr addr, GError **err)
{
    if (!in_ram(b, addr, g_bytes_get_size(data))) {
        g_set_error(err, HW_ERROR, 0, "%s of %" PRIu64 " KiB does not fit in the RAM (-m)", what,
                    (uint64_t)g_bytes_get_size(data) >> 10);
        return false;
    }
    return loader_add(what, data, addr, err);
}

/* An EFI image that unpacks itself; its payload is the Image. */
static GBytes *unpack_zboot(GBytes *file, GError **err)
{
    gsize len;
    const uint8_t *data = g_bytes_get_data(file, &len);
    ZbootHeader h;
    if (len < sizeof(h)) {
        return g_bytes_ref(file);
    }
    memcpy(&h, data, sizeof(h));
    if (memcmp(h.mz, "MZ", 2) || memcmp(h.zimg, "zimg", 4)) {
        return g_bytes_ref(file);
    }
    if (h.payload_offset > len || h.payload_size > len - h.payload_offset) {
        g_set_error(err, HW_ERROR, 0, "the compressed kernel is cut short");
        return NULL;
    }
    if (strncmp(h.compression, "gzip", sizeof(h.compression))) {
        g_set_error(err, HW_ERROR, 0, "not implemented: a kernel compressed with %.32s",
                    h.compression);
        return NULL;
    }
    return loader_inflate(data + h.payload_offset, h.payload_size, err);
}

/* ---- kernels ----------------------------------------------------------------------------- */

static bool load_image(ArmBoot *b, GBytes *file, uint64_t *end, GError **err)
{
    gsize len;
    const uint8_t *data = g_bytes_get_data(file, &len);
    uint64_t offset = 0x80000, size = len;
    ImageHeader h = { .magic = 0 };
    memcpy(&h, data, MIN(len, sizeof(h)));
    if (len >= sizeof(h) && h.magic == 0x644d5241) {
        offset = h.image_size ? h.text_offset : offset;
        size = MAX(size, h.image_size);
    }
    b->is_linux = true; /* or follows its protocol, as whatever has no ELF header must */
    /* It wants 2 MiB alignment; the first page may be wanted by a boot loader. */
    offset += offset < 4096 ? 2 * MIB : 0;
    b->entry = b->ram_start + offset;
    if (offset > b->ram_size || !in_ram(b, b->entry, size)) {
        g_set_error(err, HW_ERROR, 0, "the kernel needs %" PRIu64 " MiB: more RAM, please (-m)",
                    (offset + size) / MIB + 1);
        return false;
    }
    *end = b->entry + size;
    return place(b, "kernel", file, b->entry, err);
}

static bool load_segment(AddressSpace *as, GBytes *file, const Elf64_Phdr *ph, unsigned n,
                         uint64_t *end, GError **err)
{
    gsize len = g_bytes_get_size(file);
    if (ph->p_offset > len || ph->p_filesz > len - ph->p_offset || ph->p_memsz < ph->p_filesz) {
        g_set_error(err, HW_ERROR, 0, "ELF segment %u is cut short", n);
        return false;
    }
    for (uint64_t at = 0; at < ph->p_memsz;) {
        const FlatRange *r = address_space_lookup(as, ph->p_paddr + at);
        if (!r || !r->ram) {
            g_set_error(err, HW_ERROR, 0, "ELF segment %u at %#" PRIx64 ": no memory is there", n,
                        (uint64_t)ph->p_paddr);
            return false;
        }
        at = r->start + r->size - ph->p_paddr;
    }
    *end = MAX(*end, ph->p_paddr + ph->p_memsz);
    g_autofree char *name = g_strdup_printf("kernel segment %u", n);
    g_autoptr(GBytes) part = g_bytes_new_from_bytes(file, ph->p_offset, ph->p_filesz);
    if (ph->p_filesz && !loader_add(name, part, ph->p_paddr, err)) {
        return false;
    }
    if (ph->p_memsz > ph->p_filesz && ph->p_memsz - ph->p_filesz <= 256 * MIB) {
        uint64_t rest = ph->p_memsz - ph->p_filesz;
        g_autoptr(GBytes) zeros = g_bytes_new_take(g_malloc0(rest), rest);
        return loader_add(name, zeros, ph->p_paddr + ph->p_filesz, err);
    }
    return true;
}

static bool load_elf(Machine *m, ArmBoot *b, GBytes *file, uint64_t *end, GError **err)
{
    gsize len;
    const uint8_t *data = g_bytes_get_data(file, &len);
    Elf64_Ehdr eh = { .e_machine = 0 };
    memcpy(&eh, data, MIN(len, sizeof(eh)));
    if (len < sizeof(eh) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
        eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_machine != EM_AARCH64 ||
        eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phoff > len ||
        eh.e_phnum > (len - eh.e_phoff) / sizeof(Elf64_Phdr)) {
        g_set_error(err, HW_ERROR, 0, "not an ELF program for little-endian Arm64");
        return false;
    }
    for (unsigned i = 0; i < eh.e_phnum; i++) {
        Elf64_Phdr ph;
        memcpy(&ph, data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
        if (ph.p_type == PT_LOAD && ph.p_memsz &&
            !load_segment(m->memory, file, &ph, i, end, err)) {
            return false;
        }
    }
    b->entry = eh.e_entry;
    return true;
}

static bool load_kernel(Machine *m, ArmBoot *b, uint64_t *end, GError **err)
{
    g_autoptr(GBytes) file = loader_read_file(m->kernel, err);
    g_autoptr(GBytes) image = file ? unpack_zboot(file, err) : NULL;
    if (!image) {
        return false;
    }
    gsize len;
    const uint8_t *data = g_bytes_get_data(image, &len);
    bool elf = len >= 4 && !memcmp(data, ELFMAG, SELFMAG);
    if (len == 0) {
        g_set_error(err, HW_ERROR, 0, "the file is empty");
        return false;
    }
    return elf ? load_elf(m, b, image, end, err) : load_image(b, image, end, err);
}

bool arm_boot_load(Machine *m, ArmBoot *b, GError **err)
{
    uint64_t end = b->ram_start;
    if (!load_kernel(m, b, &end, err)) {
        g_prefix_error(err, "-kernel %s: ", m->kernel);
        return false;
    }
    if (m->initrd) {
        g_autoptr(GBytes) data = loader_map_file(m->initrd, err);
        if (!data) {
            g_prefix_error(err, "-initrd %s: ", m->initrd);
            return false;
        }
        /* Behind the kernel with some room, but where small machines have RAM, too. */
        uint64_t at = b->ram_start + MIN(b->ram_size / 2, 128 * MIB);
        b->initrd_start = ROUND_UP(MAX(at, end), 4096);
        b->initrd_end = b->initrd_start + g_bytes_get_size(data);
        if (!place(b, "initrd", data, b->initrd_start, err)) {
            return false;
        }
        end = b->initrd_end;
    }
    if (b->is_linux) {
        /* Not to straddle a 2 MiB boundary, and away from what the kernel may grow into. */
        uint64_t at = b->ram_start + MIN(b->ram_size / 2, 128 * MIB);
        b->dtb_addr = ROUND_UP(MAX(at, end), 2 * MIB);
    }
    return true;
}

/* ---- device tree ------------------------------------------------------------------------- */

static int set_chosen(void *fdt, Machine *m, const ArmBoot *b)
{
    int node = fdt_path_offset(fdt, "/chosen"), res = 0;
    if (node < 0) {
        node = fdt_add_subnode(fdt, 0, "chosen");
    }
    if (node < 0) {
        return node;
    }
    if (m->append) {
        res = fdt_setprop_string(fdt, node, "bootargs", m->append);
    }
    if (!res && b->initrd_end) {
        res = fdt_setprop_u64(fdt, node, "linux,initrd-start", b->initrd_start);
    }
    if (!res && b->initrd_end) {
        res = fdt_setprop_u64(fdt, node, "linux,initrd-end", b->initrd_end);
    }
    return res;
}

/* node < 0: memory is all the same. */
static int add_memory(void *fdt, hwaddr start, uint64_t size, int numa_node)
{
    g_autofree char *name = g_strdup_printf("memory@%" PRIx64, start);
    g_autofree char *path = g_strconcat("/", name, NULL);
    fdt64_t reg[2] = { cpu_to_fdt64(start), cpu_to_fdt64(size) };
    int node = fdt_path_offset(fdt, path);
    if (node < 0) {
        node = fdt_add_subnode(fdt, 0, name);
    }
    int res = node < 0 ? node : fdt_setprop_string(fdt, node, "device_type", "memory");
    res = res ? res : fdt_setprop(fdt, node, "reg", reg, sizeof(reg));
    return res || numa_node < 0 ? res
                                : fdt_setprop_u32(fdt, node, "numa-node-id", (uint32_t)numa_node);
}

static int set_memory(void *fdt, const Machine *m, const ArmBoot *b)
{
    hwaddr at = b->ram_start;
    int res = m->nb_nodes ? 0 : add_memory(fdt, at, b->ram_size, -1);
    for (unsigned i = 0; i < m->nb_nodes && !res; i++) {
        res = m->nodes[i].size ? add_memory(fdt, at, m->nodes[i].size, (int)i) : 0;
        at += m->nodes[i].size;
    }
    for (guint i = 0; i < m->dimms->len && !res; i++) {
        const PCDimm *d = m->dimms->pdata[i];
        res = add_memory(fdt, d->addr, d->memory->size, m->nb_nodes ? (int)d->node : -1);
    }
    return res;
}

bool arm_boot_finish_dtb(Machine *m, const ArmBoot *b, void *dtb, GError **err)
{
    int res = set_chosen(dtb, m, b);
    res = res ? res : set_memory(dtb, m, b);
    res = res ? res : fdt_pack(dtb);
    if (res) {
        g_set_error(err, HW_ERROR, 0, "device tree: %s", fdt_strerror(res));
        return false;
    }
    g_autoptr(GBytes) data = g_bytes_new(dtb, fdt_totalsize(dtb));
    /* An ELF program that lies where firmware would find the device tree goes without. */
    bool ok = place(b, "device tree", data, b->dtb_addr, b->entry && !b->is_linux ? NULL : err);
    return ok || (b->entry && !b->is_linux);
}
