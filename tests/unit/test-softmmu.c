/* SPDX-License-Identifier: MIT */
/*
 * The software TLB under compiled code and under the interpreter: a toy machine of RAM, a device
 * and a page table that is an array; A64 code of EL0. Each case runs in a process of its own for
 * each level of host features; what the interpreter finds is what the others must find.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec/debug.h"
#include "exec/exec.h"
#include "exec/softmmu.h"
#include "hw/biglock.h"
#include "hw/vcpu.h"
#include "target/arm/cpu.h"

#include "softmmu-code.h.inc"

enum {
    RAM_BASE = 0x40000000,
    RAM_SIZE = 16 << 20,
    DEV_BASE = 0x09000000,
    PAGE = TLB_PAGE_SIZE,
    NB_PAGES = 4096,
    CODE = 0x100000, /* virtual, as all that the code sees */
    DATA = 0x200000, /* 64 pages; the first two are not neighbours in RAM */
    DEVICE = 0x300000,
    NOWHERE = 0x400000, /* mapped to no memory */
    NOT_MAPPED = 0x500000,
    EXCP_STOP = EXCP_TARGET + 100,
};

/* ---- the toy target: EL0 of the Arm, with another MMU ---- */

typedef struct PTE {
    uint64_t phys; /* 0: not mapped */
    uint8_t prot, page_bits;
    bool global, aligned;
} PTE;

static struct {
    PTE pte[NB_PAGES];
    uint64_t fills;
    int excp;
    vaddr addr;
    MMUAccess access;
    MemTxResult result;
    uint64_t interrupts_taken;
    bool (*syscall)(CPUState *cpu); /* true: the code goes on behind it */
} toy;

static int toy_mmu_mode(const CPUState *cpu, bool fetch)
{
    (void)cpu;
    (void)fetch;
    return 0;
}

static bool record(CPUState *cpu, int excp, vaddr addr, MMUAccess access)
{
    cpu->exception_index = excp;
    toy.addr = addr;
    toy.access = access;
    return false;
}

static bool toy_fill(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode,
                     bool probe, TLBFill *out)
{
    static const uint8_t need[] = { PROT_READ, PROT_WRITE, PROT_EXEC };
    const PTE *p = &toy.pte[addr / PAGE % NB_PAGES];

    (void)size;
    (void)mode;
    __atomic_fetch_add(&toy.fills, 1, __ATOMIC_RELAXED);
    if (addr / PAGE >= NB_PAGES || !p->phys || !(p->prot & need[access])) {
        return probe ? false : record(cpu, EXCP_FAULT, addr, access);
    }
    *out = (TLBFill){ .phys = p->phys,
                      .prot = p->prot,
                      .page_bits = p->page_bits ? p->page_bits : 12,
                      .global = p->global,
                      .aligned = p->aligned };
    return true;
}

static void toy_bus_error(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode,
                          MemTxResult result)
{
    (void)size;
    (void)mode;
    toy.result = result;
    record(cpu, EXCP_TARGET, addr, access);
}

static void toy_unaligned(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode)
{
    (void)size;
    (void)mode;
    record(cpu, EXCP_ALIGN, addr, access);
}

/* Every exception ends the run, but system calls that a test has a use for. */
static void toy_do_interrupt(CPUState *cpu)
{
    if (cpu->exception_index == EXCP_SYSCALL && toy.syscall && toy.syscall(cpu)) {
        return;
    }
    toy.excp = cpu->exception_index;
    cpu_request_exit(cpu);
}

static bool toy_interrupt_due(const CPUState *cpu)
{
    return cpu->interrupts;
}

static bool toy_exec_interrupt(CPUState *cpu, uint32_t interrupts)
{
    cpu_clear_interrupt(cpu->opaque, interrupts);
    toy.interrupts_taken++;
    return true;
}

static bool toy_has_work(const CPUState *cpu)
{
    return cpu->interrupts;
}

static bool toy_debug_translate(CPUState *cpu, vaddr addr, hwaddr *phys, MemTxAttrs *attrs)
{
    const PTE *p = &toy.pte[addr / PAGE % NB_PAGES];

    (void)cpu;
    (void)attrs;
    *phys = p->phys + addr % PAGE;
    return p->phys;
}

static const TargetSystemOps toy_system = {
    .nb_mmu_modes = 2,
    .mmu_mode = toy_mmu_mode,
    .tlb_fill = toy_fill,
    .bus_error = toy_bus_error,
    .unaligned = toy_unaligned,
    .do_interrupt = toy_do_interrupt,
    .interrupt_due = toy_interrupt_due,
    .exec_interrupt = toy_exec_interrupt,
    .has_work = toy_has_work,
    .debug_translate = toy_debug_translate,
};

/* ---- the machine ---- */

static AddressSpace as;
static MemoryRegion root, ram, device;
static uint8_t *mem; /* RAM_BASE */
static VCPU *vcpu;
static CPUArmState *env;

/* What the device saw: the state of the CPU must be that of the access. */
static struct {
    uint64_t offset, val;
    unsigned size;
    bool write;
    uint64_t pc, x10;
} seen[16];
static int nb_seen;

static void see(hwaddr offset, uint64_t val, unsigned size, bool write)
{
    g_assert_true(biglock_held());
    g_assert_cmpint(nb_seen, <, (int)G_N_ELEMENTS(seen));
    seen[nb_seen].offset = offset;
    seen[nb_seen].val = val;
    seen[nb_seen].size = size;
    seen[nb_seen].write = write;
    seen[nb_seen].pc = env->pc;
    seen[nb_seen++].x10 = env->x[10];
}

static uint64_t dev_read(void *opaque, hwaddr offset, unsigned size)
{
    uint64_t val = UINT64_C(0x8182838485868788) + offset;

    (void)opaque;
    see(offset, val, size, false);
    return val;
}

static void dev_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    (void)opaque;
    see(offset, val, size, true);
}

static const MemoryRegionOps dev_ops = {
    .read = dev_read,
    .write = dev_write,
    .valid = { .min = 1, .max = 8 },
    .impl = { .min = 1, .max = 8 },
};

static uint8_t *at(vaddr addr)
{
    return mem + (toy.pte[addr / PAGE].phys - RAM_BASE) + addr % PAGE;
}

static void map(vaddr addr, uint64_t phys, int prot)
{
    toy.pte[addr / PAGE] = (PTE){ .phys = phys, .prot = (uint8_t)prot };
}

typedef struct Config {
    const char *name, *features;
    bool interp;
    int max_insns;
} Config;

static const Config configs[] = {
    { .name = "interp", .interp = true },   { .name = "host" },
    { .name = "avx2", .features = "avx2" }, { .name = "sse4.2", .features = "sse4.2" },
    { .name = "one-insn", .max_insns = 1 },
};

static VCPU *new_vcpu(const TargetOps *target)
{
    GError *err = NULL;
    VCPU *v = vcpu_new(target, "max", &as, &err);

    g_assert_no_error(err);
    v->cpu->target = target;
    return v;
}

static void make_machine(const Config *config)
{
    static TargetOps target;
    g_autofree char *options = g_strdup_printf(
        "tcg,interp=%s,one-insn-per-tb=%s,host-features=%s", config->interp ? "on" : "off",
        config->max_insns ? "on" : "off", config->features ? config->features : "");
    const char *const accel[] = { options, NULL };
    GError *err = NULL;

    target = arm_target;
    target.system = &toy_system;
    accel_configure(accel, &target, "", &err);
    g_assert_no_error(err);
    memory_region_init(&root, "root", UINT64_MAX);
    memory_region_init_ram(&ram, "ram", RAM_SIZE, &err);
    g_assert_no_error(err);
    memory_region_init_io(&device, "device", PAGE, &dev_ops, NULL);
    memory_transaction_begin();
    memory_region_add(&root, RAM_BASE, &ram, 0);
    memory_region_add(&root, DEV_BASE, &device, 0);
    memory_transaction_commit();
    address_space_init(&as, &root, "memory");
    mem = memory_region_ram_ptr(&ram);
    for (int n = 0; n < 64; n++) {
        map(CODE + n * PAGE, RAM_BASE + n * PAGE, PROT_READ | PROT_EXEC);
        map(DATA + n * PAGE, RAM_BASE + 0x200000 + (uint64_t)(n ^ 2) * PAGE,
            PROT_READ | PROT_WRITE);
    }
    map(DEVICE, DEV_BASE, PROT_READ | PROT_WRITE);
    map(NOWHERE, 0x1000000, PROT_READ | PROT_WRITE);
    vcpu = new_vcpu(&target);
    env = (CPUArmState *)vcpu->cpu;
    softmmu_attach(vcpu->cpu, &as);
    tcg_cpu_attach(vcpu->cpu);
    vcpu_set_current(vcpu);
}

static void put_code(const uint32_t *code, size_t size)
{
    memcpy(mem, code, size);
    tb_invalidate_phys(vcpu->cpu, RAM_BASE, RAM_BASE + size);
}

static int run_at(vaddr pc)
{
    env->pc = pc;
    toy.excp = 0;
    for (int n = 0; !toy.excp; n++) {
        int excp = cpu_exec(vcpu->cpu);

        if (excp != EXCP_INTERRUPT) {
            return excp;
        }
        g_assert_cmpint(n, <, 1000);
    }
    return toy.excp;
}

#define RUN(name) (put_code(code_##name, sizeof(code_##name)), run_at(CODE))

/* ---- what a case found, for comparison with the interpreter ---- */

static struct Found {
    uint64_t hash;
    unsigned count;
} * found; /* shared: [case] */

static uint64_t hash;
static unsigned hashed;

static void note(const void *p, size_t size)
{
    for (size_t n = 0; n < size; n++) {
        hash = (hash ^ ((const uint8_t *)p)[n]) * UINT64_C(0x100000001b3);
    }
    hashed++;
}

static void note_state(void)
{
    uint32_t flags = arm_get_pstate(env) & 0xf0000000;

    note(env->x, sizeof(env->x));
    note(env->v, sizeof(env->v));
    note(&env->pc, sizeof(env->pc));
    note(&flags, sizeof(flags));
}

static void fill_data(void)
{
    for (int n = 0; n < 64 * PAGE; n++) {
        *at(DATA + (vaddr)n) = (uint8_t)(n * 7 + (n >> 8));
    }
}

/* ---- cases ---- */

static const unsigned offsets[] = { 128,       129,       131,        132,       136,
                                    PAGE - 1,  PAGE - 2,  PAGE - 3,   PAGE - 4,  PAGE - 7,
                                    PAGE - 8,  PAGE - 9,  PAGE - 15,  PAGE - 16, PAGE - 64,
                                    PAGE - 72, PAGE - 73, PAGE - 74,  PAGE - 76, PAGE - 77,
                                    PAGE - 96, PAGE - 82, PAGE - 100, PAGE + 16, PAGE + 13,
                                    PAGE + 8 };

static void test_sizes(void)
{
    for (unsigned n = 0; n < G_N_ELEMENTS(offsets); n++) {
        for (int again = 0; again < 3; again++) {
            fill_data();
            memset(env->x, 0, sizeof(env->x));
            env->x[1] = DATA + 4 * PAGE + offsets[n];
            g_assert_cmphex(RUN(sizes), ==, EXCP_SYSCALL);
            note_state();
            for (int p = 0; p < 8; p++) {
                note(at(DATA + (vaddr)p * PAGE), PAGE);
            }
            uint64_t x16, want = 0;
            for (int b = 0; b < 8; b++) { /* by hand, over the page's end */
                int i = (int)(4 * PAGE + offsets[n]) + b;
                want |= (uint64_t)(uint8_t)(i * 7 + (i >> 8)) << 8 * b;
            }
            x16 = env->x[16];
            g_assert_cmphex(x16, ==, want);
        }
    }
}

static void test_atomics(void)
{
    for (int again = 0; again < 3; again++) {
        fill_data();
        memset(env->x, 0, sizeof(env->x));
        env->x[1] = DATA + 256 + (again == 2 ? PAGE : 0);
        g_assert_cmphex(RUN(atomics), ==, EXCP_SYSCALL);
        g_assert_cmpint(env->x[22] | env->x[23], ==, 0);
        note_state();
        note(at(DATA), PAGE);
        note(at(DATA + PAGE), PAGE);
    }
}

static void test_device(void)
{
    static const struct {
        uint64_t offset;
        unsigned size;
        int insn;
    } want[] = { { 0, 1, 1 },  { 2, 2, 3 },  { 4, 4, 5 },  { 8, 8, 7 },   { 0, 1, 9 },
                 { 2, 2, 11 }, { 4, 4, 13 }, { 8, 8, 15 }, { 16, 8, 17 }, { 24, 8, 17 } };

    for (int again = 0; again < 2; again++) {
        nb_seen = 0;
        memset(env->x, 0, sizeof(env->x));
        env->x[1] = DEVICE;
        g_assert_cmphex(RUN(device), ==, EXCP_SYSCALL);
        g_assert_cmpint(nb_seen, ==, G_N_ELEMENTS(want));
        for (int n = 0; n < nb_seen; n++) {
            g_assert_cmphex(seen[n].offset, ==, want[n].offset);
            g_assert_cmpint(seen[n].size, ==, want[n].size);
            g_assert_cmphex(seen[n].pc, ==, CODE + 4u * (unsigned)want[n].insn);
            g_assert_cmpint(seen[n].x10, ==, (want[n].insn + 1) / 2);
            g_assert_cmpint(seen[n].write, ==, n >= 4 && n < 8);
        }
        g_assert_cmphex(env->x[12], ==, 0x878a);
        g_assert_cmphex(seen[7].val, ==, 8);
        note_state();
    }
}

static void test_faults(void)
{
    for (int again = 0; again < 2; again++) {
        memset(env->x, 0, sizeof(env->x));
        fill_data();
        env->x[1] = DATA + 64;
        env->x[2] = NOT_MAPPED;
        g_assert_cmphex(RUN(fault), ==, EXCP_FAULT);
        g_assert_cmphex(env->pc, ==, CODE + 16);
        g_assert_cmphex(toy.addr, ==, NOT_MAPPED + 16);
        g_assert_cmpint(toy.access, ==, MMU_LOAD);
        g_assert_cmphex(env->x[10], ==, 7);
        g_assert_cmphex(env->x[12], ==, env->x[11] + 1);
        g_assert_cmphex(env->x[13] | env->x[14], ==, 0);
        note_state();

        env->x[2] = NOWHERE;
        g_assert_cmphex(RUN(fault), ==, EXCP_TARGET);
        g_assert_cmphex(env->pc, ==, CODE + 16);
        g_assert_cmpint(toy.result, ==, MEMTX_DECODE_ERROR);
        note_state();

        /* the second half of a pair is on a page that is not there */
        env->x[2] = NOT_MAPPED;
        map(NOT_MAPPED - PAGE, RAM_BASE + 0x400000, PROT_READ);
        g_assert_cmphex(RUN(fault2), ==, EXCP_FAULT);
        g_assert_cmphex(env->pc, ==, CODE + 8);
        g_assert_cmphex(toy.addr, ==, NOT_MAPPED);
        g_assert_cmphex(env->x[12], ==, UINT64_MAX);
        g_assert_cmphex(arm_get_pstate(env) >> 28, ==, 8);

        /* to a page for reading only, after it was read: nothing is written */
        env->x[1] = NOT_MAPPED - 256;
        uint8_t before = *at(NOT_MAPPED - 256 + 64);
        g_assert_cmphex(RUN(sizes), ==, EXCP_FAULT);
        g_assert_cmpint(toy.access, ==, MMU_STORE);
        g_assert_cmphex(env->pc, ==, CODE + 4 * 14);
        g_assert_cmphex(*at(NOT_MAPPED - 256 + 64), ==, before);
        note_state();
    }
    /* nothing to fetch */
    g_assert_cmphex(run_at(NOT_MAPPED), ==, EXCP_FAULT);
    g_assert_cmpint(toy.access, ==, MMU_FETCH);
    g_assert_cmphex(env->pc, ==, NOT_MAPPED);
    g_assert_cmphex(run_at(DATA), ==, EXCP_FAULT);
    g_assert_cmphex(toy.addr, ==, DATA);
    g_assert_cmphex(run_at(DEVICE), ==, EXCP_FAULT);
}

static void test_alignment(void)
{
    env->x[1] = DATA + 1;
    toy.pte[DATA / PAGE].aligned = true;
    tlb_flush(vcpu->cpu, ~0u);
    g_assert_cmphex(RUN(sizes), ==, EXCP_ALIGN);
    g_assert_cmphex(env->pc, ==, CODE + 8); /* the first two are bytes */
    env->x[1] = DATA + 2 * PAGE + 9;        /* over 16 bytes: not even FEAT_LSE2 has that */
    g_assert_cmphex(RUN(atomics), ==, EXCP_ALIGN);
    g_assert_cmphex(env->pc, ==, CODE + 4);
}

/* Mappings change; what the TLB had goes as far as it was told to. */
static void test_remap(void)
{
    fill_data();
    *(uint64_t *)at(DATA) = 100;
    *(uint64_t *)at(DATA + PAGE) = 200;
    env->x[1] = DATA;
    env->x[2] = 10;
    g_assert_cmphex(RUN(count), ==, EXCP_SYSCALL);
    g_assert_cmpint(env->x[3], ==, 110);
    toy.pte[DATA / PAGE].phys = toy.pte[DATA / PAGE + 1].phys;
    tlb_flush_page(vcpu->cpu, ~0u, DATA);
    env->x[2] = 10;
    g_assert_cmphex(run_at(CODE), ==, EXCP_SYSCALL);
    g_assert_cmpint(env->x[3], ==, 210);
    /* a large page goes as a whole */
    for (int n = 0; n < 16; n++) {
        map(DATA + n * PAGE, RAM_BASE + 0x500000 + (uint64_t)n * PAGE, PROT_READ | PROT_WRITE);
        toy.pte[DATA / PAGE + n].phys = RAM_BASE + 0x500000;
        toy.pte[DATA / PAGE + n].page_bits = 21;
    }
    tlb_flush(vcpu->cpu, ~0u);
    for (int n = 0; n < 16; n++) {
        ((uint64_t *)(mem + 0x500000))[n * PAGE / 8] = 1000 * n;
        env->x[1] = DATA + n * PAGE;
        env->x[2] = 1;
        g_assert_cmphex(run_at(CODE), ==, EXCP_SYSCALL);
        g_assert_cmpint(env->x[3], ==, 1000 * n + 1);
    }
    for (int n = 0; n < 16; n++) {
        toy.pte[DATA / PAGE + n].phys = RAM_BASE + 0x600000;
        ((uint64_t *)(mem + 0x600000))[n * PAGE / 8] = 7000 * n;
    }
    tlb_flush_page(vcpu->cpu, ~0u, DATA + 5 * PAGE);
    for (int n = 0; n < 16; n++) {
        env->x[1] = DATA + n * PAGE;
        env->x[2] = 1;
        g_assert_cmphex(run_at(CODE), ==, EXCP_SYSCALL);
        g_assert_cmpint(env->x[3], ==, 7000 * n + 1);
    }
}

/* More pages than the first table has entries: it grows, and entries stay right. */
static void test_many_pages(void)
{
    put_code(code_count, sizeof(code_count));
    for (int n = 1024; n < NB_PAGES; n++) {
        map((vaddr)n * PAGE, RAM_BASE + 0x100000 + (uint64_t)(n * 37 % 2048) * PAGE,
            PROT_READ | PROT_WRITE);
    }
    for (int round = 0; round < 3; round++) {
        uint64_t fills = toy.fills;

        for (int n = 1024; n < NB_PAGES; n++) {
            uint64_t want = *(uint64_t *)at((vaddr)n * PAGE) + 2;
            env->x[1] = (vaddr)n * PAGE;
            env->x[2] = 2;
            g_assert_cmphex(run_at(CODE), ==, EXCP_SYSCALL);
            g_assert_cmpint(*(uint64_t *)at((vaddr)n * PAGE), ==, want);
        }
        if (round == 2) { /* by now all are in it */
            g_assert_cmpint(toy.fills - fills, <, 200);
        }
    }
}

/* Two pages of one place in the table, used in turn, get places of their own. */
static void test_same_place(void)
{
    const vaddr far = UINT64_C(1024) * PAGE; /* alike to tables of up to so many */
    size_t size = 0;

    put_code(code_count, sizeof(code_count));
    map(DATA + far, RAM_BASE + 0x500000, PROT_READ | PROT_WRITE);
    for (int n = 0; n < 4000; n++) {
        env->x[1] = n & 1 ? DATA : DATA + far;
        env->x[2] = 2;
        g_assert_cmphex(run_at(CODE), ==, EXCP_SYSCALL);
    }
    g_assert_cmpint(*(uint64_t *)at(DATA), ==, 4000);
    g_assert_cmpint(*(uint64_t *)at(DATA + far), ==, 4000);
    size = vcpu->cpu->tlb[0].mask / sizeof(TLBEntry) + 1;
    g_assert_cmpint(size, ==, 2048);
}

/* Address spaces: each keeps its entries, global ones are everybody's. */
static void test_banks(void)
{
    put_code(code_count, sizeof(code_count));
    for (uint64_t id = 1; id <= TLB_BANKS + 4; id++) {
        tlb_set_address_space(vcpu->cpu, 1, id);
        map(DATA, RAM_BASE + 0x500000 + id * PAGE, PROT_READ | PROT_WRITE);
        *(uint64_t *)at(DATA) = id * 100;
        env->x[1] = DATA;
        env->x[2] = 1;
        g_assert_cmphex(run_at(CODE), ==, EXCP_SYSCALL);
        g_assert_cmpint(env->x[3], ==, id * 100 + 1);
    }
    /* the table is another one now, but the latest ids have entries of their own */
    map(DATA, RAM_BASE + 0x580000, PROT_READ | PROT_WRITE);
    for (uint64_t id = 8; id <= TLB_BANKS + 4; id++) {
        uint64_t fills = toy.fills;

        tlb_set_address_space(vcpu->cpu, 1, id);
        env->x[2] = 1;
        g_assert_cmphex(run_at(CODE), ==, EXCP_SYSCALL);
        g_assert_cmpint(env->x[3], ==, id * 100 + 2);
        g_assert_cmpint(toy.fills, ==, fills);
    }
    tlb_flush_id(vcpu->cpu, 1, 9);
    tlb_set_address_space(vcpu->cpu, 1, 9);
    *(uint64_t *)at(DATA) = 5;
    env->x[2] = 1;
    g_assert_cmphex(run_at(CODE), ==, EXCP_SYSCALL);
    g_assert_cmpint(env->x[3], ==, 6);
    tlb_set_address_space(vcpu->cpu, 1, 10);
    env->x[2] = 1;
    g_assert_cmphex(run_at(CODE), ==, EXCP_SYSCALL);
    g_assert_cmpint(env->x[3], ==, 1003);
}

/* Code in one page calls code in another: changed, and moved to other memory under the same pc. */
static void test_changed_code(void)
{
    vaddr fn = CODE + 5 * PAGE + 64;
    uint32_t *insn = (uint32_t *)(mem + 5 * PAGE + 64);

    memcpy(insn, code_smc, sizeof(code_smc));
    put_code(code_caller, sizeof(code_caller));
    for (int round = 0; round < 50; round++) {
        *insn = 0x52800000u | (unsigned)(11 + round) << 5; /* mov w0, #11 + round */
        tb_invalidate_phys(vcpu->cpu, RAM_BASE + 5 * PAGE + 64, RAM_BASE + 5 * PAGE + 68);
        env->x[1] = fn;
        env->x[2] = 10;
        g_assert_cmphex(run_at(CODE), ==, EXCP_SYSCALL);
        g_assert_cmpint(env->x[5], ==, 10 * (11 + round));
    }
    memcpy(mem + 9 * PAGE + 64, insn, 8);
    *(uint32_t *)(mem + 9 * PAGE + 64) = 0x52800000u | 500u << 5;
    for (int round = 0; round < 6; round++) {
        toy.pte[fn / PAGE].phys = RAM_BASE + (round & 1 ? 5 : 9) * PAGE;
        tlb_flush_page(vcpu->cpu, ~0u, fn);
        env->x[2] = 10;
        g_assert_cmphex(run_at(CODE), ==, EXCP_SYSCALL);
        g_assert_cmpint(env->x[5], ==, round & 1 ? 600 : 5000);
    }
}

/* A loop over a page's end, so that jumps between pages are chained; then one of the pages moves.
 */
static void test_cross_page_loop(void)
{
    vaddr pc = CODE + 2 * PAGE - 8;

    for (int round = 0; round < 6; round++) {
        uint64_t second = 2 + 8 * (unsigned)(round & 1);

        memcpy(mem + 2 * PAGE - 8, code_count, 8);
        memcpy(mem + second * PAGE, code_count + 2, sizeof(code_count) - 8);
        if (round & 1) { /* counts by 3 there */
            memcpy(mem + 2 * PAGE - 4, (uint32_t[]){ 0x91000463 }, 4);
        }
        tb_invalidate_phys(vcpu->cpu, RAM_BASE, RAM_BASE + 16 * PAGE);
        toy.pte[CODE / PAGE + 2].phys = RAM_BASE + second * PAGE;
        tlb_flush_page(vcpu->cpu, ~0u, CODE + 2 * PAGE);
        *(uint64_t *)at(DATA) = 0;
        env->x[1] = DATA;
        env->x[2] = 1000;
        g_assert_cmphex(run_at(pc), ==, EXCP_SYSCALL);
        g_assert_cmpint(env->x[3], ==, 1000);
        g_assert_cmphex(env->pc, ==, CODE + 2 * PAGE + 16);
    }
}

static void test_dirty(void)
{
    uint8_t *dirty = ram.ram->dirty;
    uint64_t page = toy.pte[DATA / PAGE].phys - RAM_BASE;

    env->x[1] = DATA;
    env->x[2] = 3;
    g_assert_cmphex(RUN(count), ==, EXCP_SYSCALL);
    dirty[page / PAGE] = 0;
    tlb_flush(vcpu->cpu, ~0u);
    env->x[2] = 3;
    g_assert_cmphex(RUN(count), ==, EXCP_SYSCALL);
    g_assert_cmphex(dirty[page / PAGE] & (RAM_DIRTY_VGA | RAM_DIRTY_MIGRATION), ==,
                    RAM_DIRTY_VGA | RAM_DIRTY_MIGRATION);
}

static void test_debugger(void)
{
    vaddr addr;
    uint64_t val;

    fill_data();
    put_code(code_count, sizeof(code_count));
    *(uint64_t *)at(DATA + 8) = 40;
    env->x[1] = DATA + 8;
    env->x[2] = 5;
    cpu_breakpoint_insert(vcpu->cpu, CODE + 12, BP_GDB);
    for (int n = 1; n <= 5; n++) {
        g_assert_cmphex(n == 1 ? run_at(CODE) : run_at(CODE + 16), ==, EXCP_DEBUG);
        g_assert_cmphex(env->pc, ==, CODE + 12);
        g_assert_cmpint(env->x[3], ==, 40 + n);
        cpu_single_step(vcpu->cpu, true);
        g_assert_cmphex(run_at(CODE + 12), ==, EXCP_DEBUG);
        cpu_single_step(vcpu->cpu, false);
        g_assert_cmphex(env->pc, ==, CODE + 16);
    }
    g_assert_true(cpu_breakpoint_remove(vcpu->cpu, CODE + 12, BP_GDB));
    g_assert_false(cpu_breakpoint_remove(vcpu->cpu, CODE + 12, BP_GDB));
    g_assert_cmphex(run_at(CODE + 16), ==, EXCP_SYSCALL);

    cpu_watchpoint_insert(vcpu->cpu, DATA + 12, 1, BP_GDB | BP_WRITE);
    env->x[2] = 5;
    g_assert_cmphex(run_at(CODE), ==, EXCP_DEBUG);
    g_assert_cmphex(env->pc, ==, CODE + 8);
    g_assert_cmpint(env->x[3], ==, 46);
    g_assert_cmpint(*(uint64_t *)at(DATA + 8), ==, 45); /* not yet */
    g_assert_nonnull(cpu_watchpoint_hit(vcpu->cpu, &addr));
    g_assert_cmphex(addr, ==, DATA + 8);
    cpu_single_step(vcpu->cpu, true);
    g_assert_cmphex(run_at(CODE + 8), ==, EXCP_DEBUG);
    cpu_single_step(vcpu->cpu, false);
    g_assert_cmpint(*(uint64_t *)at(DATA + 8), ==, 46);
    g_assert_true(cpu_watchpoint_remove(vcpu->cpu, DATA + 12, 1, BP_GDB | BP_WRITE));
    g_assert_cmphex(run_at(CODE + 12), ==, EXCP_SYSCALL);
    g_assert_cmpint(env->x[3], ==, 50);

    g_assert_true(cpu_memory_rw_debug(vcpu->cpu, DATA + 8, &val, 8, false));
    g_assert_cmpint(val, ==, 50);
    g_assert_false(cpu_memory_rw_debug(vcpu->cpu, NOT_MAPPED, &val, 8, false));
    val = 900;
    g_assert_true(cpu_memory_rw_debug(vcpu->cpu, DATA + 8, &val, 8, true));
    g_assert_cmpint(*(uint64_t *)at(DATA + 8), ==, 900);
}

static void *interrupter(void *stop)
{
    while (!atomic_load((atomic_bool *)stop)) {
        cpu_interrupt(vcpu, CPU_INT_HARD);
        usleep(100);
    }
    return NULL;
}

static void test_interrupts(void)
{
    atomic_bool stop = false;
    pthread_t thread;

    vcpu->created = true; /* so that it is kicked */
    toy.interrupts_taken = 0;
    pthread_create(&thread, NULL, interrupter, &stop);
    put_code(code_count, sizeof(code_count));
    do { /* until the other thread has had a processor meanwhile */
        env->x[1] = DATA;
        env->x[2] = 3000000;
        *(uint64_t *)at(DATA) = 0;
        env->pc = CODE;
        for (toy.excp = 0; !toy.excp;) {
            g_assert_cmphex(cpu_exec(vcpu->cpu), ==, EXCP_INTERRUPT);
        }
        g_assert_cmpint(env->x[3], ==, 3000000);
    } while (!toy.interrupts_taken);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}

/*
 * One vCPU reads a page; another keeps exchanging the memory under it, tells the first to forget
 * the old, and then writes poison to what it took away: that must not be seen.
 */
enum {
    SHARED = DATA + 8 * PAGE,
    TAKEN = DATA + 9 * PAGE,
    STOP = DATA + 10 * PAGE,
    POISON = 0xbad,
    REMAPS = 2000,
};
static VCPU *reader, *remapper;
static atomic_int readers_result;

static bool on_syscall(CPUState *cpu)
{
    CPUArmState *e = (CPUArmState *)cpu;
    uint64_t phys = toy.pte[SHARED / PAGE].phys;
    TLBFlush both = {
        .kind = TLB_FLUSH_RANGE, .mmu_modes = ~0u, .id = ~0ull, .addr = SHARED, .size = 2 * PAGE
    };

    if (cpu == reader->cpu) {
        readers_result = e->x[3] == POISON ? 2 : 1;
        cpu->halted = true;
        cpu->exception_index = EXCP_HALTED;
        e->pc = CODE + PAGE;
        cpu_request_exit(cpu);
        return true;
    }
    if (e->pc == CODE + 2 * PAGE + sizeof(code_remapper)) { /* the last one */
        *(uint64_t *)at(STOP) = 1;
        cpu->halted = true;
        cpu_request_exit(cpu);
        return true;
    }
    *(uint64_t *)at(TAKEN) = 0;
    toy.pte[SHARED / PAGE].phys = toy.pte[TAKEN / PAGE].phys;
    toy.pte[TAKEN / PAGE].phys = phys;
    tlb_flush_all_cpus_synced(cpu, &both);
    return true;
}

static void test_remote_flush(void)
{
    GError *err = NULL;

    memcpy(mem + PAGE, code_reader, sizeof(code_reader));
    memcpy(mem + 2 * PAGE, code_remapper, sizeof(code_remapper));
    *(uint64_t *)at(SHARED) = *(uint64_t *)at(TAKEN) = *(uint64_t *)at(STOP) = 0;
    toy.syscall = on_syscall;
    reader = new_vcpu(vcpu->cpu->target);
    remapper = new_vcpu(vcpu->cpu->target);
    CPUArmState *r = (CPUArmState *)reader->cpu, *m = (CPUArmState *)remapper->cpu;
    r->pc = CODE + PAGE;
    r->x[1] = SHARED;
    r->x[2] = STOP;
    r->x[4] = POISON;
    m->pc = CODE + 2 * PAGE;
    m->x[1] = TAKEN;
    m->x[2] = REMAPS;
    m->x[4] = POISON;
    g_assert_true(accel_current()->vcpu_start(reader, &err));
    g_assert_true(accel_current()->vcpu_start(remapper, &err));
    vcpus_resume();
    while (!readers_result) {
        usleep(1000);
    }
    g_assert_cmpint(readers_result, ==, 1);
    g_assert_cmpint(m->x[2], ==, 0);
    g_assert_cmpint(r->x[5], >, 0);
    vcpus_stop();
}

/* ---- each case with each configuration ---- */

static const struct {
    const char *name;
    void (*fn)(void);
    bool compare;
} cases[] = {
    { "sizes", test_sizes, true },
    { "atomics", test_atomics, true },
    { "device", test_device, true },
    { "faults", test_faults, true },
    { "alignment", test_alignment, false },
    { "remap", test_remap, false },
    { "many-pages", test_many_pages, false },
    { "same-place", test_same_place, false },
    { "banks", test_banks, false },
    { "changed-code", test_changed_code, false },
    { "cross-page-loop", test_cross_page_loop, false },
    { "dirty", test_dirty, false },
    { "debugger", test_debugger, false },
    { "interrupts", test_interrupts, false },
    { "remote-flush", test_remote_flush, false },
};

static void run_case(gconstpointer data)
{
    unsigned n = GPOINTER_TO_UINT(data), c = n % G_N_ELEMENTS(cases), f = n / G_N_ELEMENTS(cases);
    int status;
    pid_t child;

    fflush(NULL);
    child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        make_machine(&configs[f]);
        cases[c].fn();
        if (f == 0) {
            found[c] = (struct Found){ hash, hashed };
        } else if (cases[c].compare) {
            g_assert_cmpint(hashed, ==, found[c].count);
            g_assert_cmphex(hash, ==, found[c].hash);
        }
        _exit(0);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmphex(status, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    found = mmap(NULL, sizeof(*found) * G_N_ELEMENTS(cases), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (unsigned f = 0; f < G_N_ELEMENTS(configs); f++) {
        for (unsigned c = 0; c < G_N_ELEMENTS(cases); c++) {
            g_autofree char *name =
                g_strdup_printf("/softmmu/%s/%s", cases[c].name, configs[f].name);

            g_test_add_data_func(name, GUINT_TO_POINTER(f * G_N_ELEMENTS(cases) + c), run_case);
        }
    }
    return g_test_run();
}
