/* SPDX-License-Identifier: MIT */
/* The Arm CPU: making one from a model's name, its modes and status words, ID registers, TargetOps.
 */
#include <capstone/capstone.h>
#include <string.h>
#include <sys/random.h>

#include "tcg/backend.h"
#include "target/arm/cpu.h"
#include "target/arm/pauth.h"
#include "target/arm/translate.h"

typedef enum IDReg { NONE, PFR0, PFR1, ISAR0, ISAR1, ISAR2, MMFR0, MMFR1, MMFR2, DFR0 } IDReg;

typedef struct FeatureInfo {
    const char *name;
    uint8_t id_reg, shift, value, hwcap_word, hwcap_bit;
} FeatureInfo;

static const FeatureInfo feature_info[] = {
#define FEATURE(id, name, reg, shift, value, word, bit) { name, reg, shift, value, word, bit },
#include "target/arm/cpu-features.h.inc"
#include "target/arm/cpu-features-system.h.inc"
#undef FEATURE
};

static void set_feature(CPUArmState *env, int f, bool on)
{
    uint64_t bit = 1ull << (f % 64);
    env->features[f / 64] = on ? env->features[f / 64] | bit : env->features[f / 64] & ~bit;
}

/* --- models and properties: MODEL[,PROPERTY=on|off…]
 * ----------------------------------------------------- */

static const ARMCPUModel *find_model(const char *name)
{
    for (const ARMCPUModel *m = arm_cpu_models; m->name; m++) {
        if (!strcmp(m->name, name) || !g_strcmp0(m->alias, name)) {
            return m;
        }
    }
    return NULL;
}

/* The algorithms of pointer authentication, ARMPauthAlgorithm. */
static const char *const pauth_names[] = { "pauth-impdef", "pauth-qarma5", "pauth-qarma3" };

void arm_list_models(FILE *f)
{
    fprintf(f, "CPU models:\n");
    for (const ARMCPUModel *m = arm_cpu_models; m->name; m++) {
        fprintf(f, "  %-12s %s\n", m->name, m->doc);
    }
    fprintf(f, "Properties, as in -cpu max,lse=off:\n ");
    for (int i = 0; i < ARM_FEAT_COUNT; i++) {
        if (feature_info[i].name) {
            fprintf(f, " %s", feature_info[i].name);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(pauth_names); i++) {
        fprintf(f, " %s", pauth_names[i]);
    }
    fprintf(f, "\n");
}

static char *known_names(bool models)
{
    GString *s = g_string_new(NULL);

    for (const ARMCPUModel *m = arm_cpu_models; models && m->name; m++) {
        g_string_append_printf(s, "%s%s", s->len ? ", " : "", m->name);
    }
    for (int i = 0; !models && i < ARM_FEAT_COUNT; i++) {
        if (feature_info[i].name) {
            g_string_append_printf(s, "%s, ", feature_info[i].name);
        }
    }
    for (unsigned i = 0; !models && i < G_N_ELEMENTS(pauth_names); i++) {
        g_string_append_printf(s, "%s%s", i ? ", " : "", pauth_names[i]);
    }
    return g_string_free(s, FALSE);
}

static bool bad_property(GError **err, const char *what, const char *prop)
{
    g_autofree char *names = known_names(false);
    g_set_error(err, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s '%s'; properties are %s", what,
                prop, names);
    return false;
}

/* One algorithm may be chosen; to turn the default off leaves QARMA5. */
static bool set_pauth_algorithm(CPUArmState *env, ARMPauthAlgorithm a, bool on, GError **err)
{
    if (on && (!arm_feature(env, ARM_FEAT_PAUTH) || env->pauth_chosen)) {
        g_set_error(err, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s=on: %s", pauth_names[a],
                    env->pauth_chosen ? "another algorithm was chosen before"
                                      : "this CPU has no pointer authentication (pauth=on)");
        return false;
    }
    if (on) {
        env->pauth_algorithm = a;
        env->pauth_chosen = true;
    } else if (env->pauth_algorithm == a) {
        env->pauth_algorithm = a == ARM_PAUTH_QARMA5 ? ARM_PAUTH_IMPDEF : ARM_PAUTH_QARMA5;
    }
    return true;
}

/* name=on, name=off, +name, -name */
static bool set_property(CPUArmState *env, const char *prop, GError **err)
{
    g_autofree char *name = g_strdup(prop);
    bool on = true;

    if (*prop == '+' || *prop == '-') {
        on = *prop == '+';
        memmove(name, name + 1, strlen(name));
    } else {
        char *eq = strchr(name, '=');
        if (!eq) {
            return bad_property(err, "no value (on or off) in property", prop);
        }
        *eq++ = '\0';
        on = !strcmp(eq, "on") || !strcmp(eq, "true");
        if (!on && strcmp(eq, "off") && strcmp(eq, "false")) {
            return bad_property(err, "neither on nor off in property", prop);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(pauth_names); i++) {
        if (!strcmp(name, pauth_names[i])) {
            return set_pauth_algorithm(env, i, on, err);
        }
    }
    for (int i = 0; i < ARM_FEAT_COUNT; i++) {
        if (!g_strcmp0(feature_info[i].name, name)) {
            set_feature(env, i, on);
            return true;
        }
    }
    return bad_property(err, "unknown property", prop);
}

static bool configure(CPUArmState *env, const char *spec, GError **err)
{
    g_auto(GStrv) words = g_strsplit(spec, ",", -1);
    const ARMCPUModel *model = words[0] ? find_model(words[0]) : NULL;

    if (!model) {
        g_autofree char *names = known_names(true);
        g_set_error(err, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "unknown model '%s'; models are %s", words[0] ? words[0] : "", names);
        return false;
    }
    env->model = model;
    env->midr = model->midr;
    env->ctr = model->ctr;
    for (int i = 0; !model->features && i < ARM_FEAT_COUNT; i++) {
        set_feature(env, i, true);
    }
    for (const uint8_t *f = model->features; f && *f != ARM_FEAT_COUNT; f++) {
        set_feature(env, *f, true);
    }
    for (char **prop = words + 1; *prop; prop++) {
        if (!set_property(env, *prop, err)) {
            return false;
        }
    }
    set_feature(env, ARM_FEAT_ASIMDHP, arm_feature(env, ARM_FEAT_FP16));
    if (!arm_feature(env, ARM_FEAT_PMU)) {
        set_feature(env, ARM_FEAT_PMU_8_1, false);
        set_feature(env, ARM_FEAT_PMU_8_4, false);
    }
    return true;
}

/* --- life
 * ----------------------------------------------------------------------------------------------------
 */

void arm_cpu_free(CPUState *cpu)
{
    free(cpu);
}

void arm_cpu_reset(CPUState *cpu)
{
    CPUArmState *env = (CPUArmState *)cpu;

    memset(env->x, 0, offsetof(CPUArmState, pac_key) - offsetof(CPUArmState, x));
    env->excl_addr = ~0ull;
    if (getrandom(env->pac_key, sizeof(env->pac_key), 0) != sizeof(env->pac_key)) {
        memset(env->pac_key, 0xa5,
               sizeof(env->pac_key)); /* weak keys, but only of a test of keys */
    }
    memset(&cpu->fp_status, 0, sizeof(cpu->fp_status));
    cpu->fp_status.nan_rule = FLOAT_NAN_ARM;
    cpu->fp_status.tininess_before_rounding = true;
}

CPUState *arm_cpu_new_model(const char *spec, const TargetOps *target, GError **err)
{
    size_t size = (sizeof(CPUArmState) + 63) & ~(size_t)63;
    CPUArmState *env = aligned_alloc(64, size);

    g_assert(env);
    memset(env, 0, size);
    env->parent.target = target;
    env->parent.exception_index = EXCP_NONE;
    env->dczid = 4; /* 64 bytes */
    env->cntfrq = 1000000000;
    for (int i = 0; i < 4; i++) {
        env->pac_code[i / 2][i & 1] = pauth_code_bits(48, !(i & 1));
    }
    arm_exclusive_init();
    if (!configure(env, spec ? spec : "max", err)) {
        arm_cpu_free(&env->parent);
        return NULL;
    }
    arm_cpu_reset(&env->parent);
    return &env->parent;
}

static CPUState *cpu_new(const char *spec, GError **err)
{
    return arm_cpu_new_model(spec, &arm_target, err);
}

static void cpu_copy(CPUState *dst, const CPUState *src)
{
    size_t from = offsetof(CPUArmState, x);

    memcpy((char *)dst + from, (const char *)src + from, offsetof(CPUArmState, sys) - from);
    dst->fp_status = src->fp_status;
}

/* --- floating-point control and status (DDI 0487 C5.2.8, C5.2.9)
 * ------------------------------------------------ */

enum {
    FPCR_LEN = 7 << 16, /* AArch32's: kept, nothing else */
    FPCR_FZ16 = 1 << 19,
    FPCR_STRIDE = 3 << 20,
    FPCR_RMODE_SHIFT = 22,
    FPCR_FZ = 1 << 24,
    FPCR_DN = 1 << 25,
    FPCR_AHP = 1 << 26,
    FPSR_QC = 1 << 27,
    FPSR_FLAGS = 0x9f,
    FPSR_NZCV_SHIFT = 28,
};

uint32_t arm_get_fpcr(CPUArmState *env)
{
    return env->fpcr;
}

void arm_set_fpcr(CPUArmState *env, uint32_t val)
{
    FloatStatus *st = &env->parent.fp_status;
    uint32_t known = FPCR_AHP | FPCR_DN | FPCR_FZ | 3 << FPCR_RMODE_SHIFT | FPCR_LEN | FPCR_STRIDE;

    if (arm_feature(env, ARM_FEAT_FP16)) {
        known |= FPCR_FZ16;
    }
    env->fpcr = val & known;
    st->round_mode = env->fpcr >> FPCR_RMODE_SHIFT & 3;
    st->default_nan = env->fpcr & FPCR_DN;
    st->flush_to_zero = st->flush_inputs_to_zero = env->fpcr & FPCR_FZ;
    st->flush_fp16 = env->fpcr & FPCR_FZ16;
    st->ahp = env->fpcr & FPCR_AHP;
    tcg_backend_set_fp_mode(&env->parent);
}

uint32_t arm_get_fpsr(CPUArmState *env)
{
    env->parent.fp_status.flags |= tcg_backend_take_fp_flags(&env->parent);
    return env->parent.fp_status.flags | (env->qc.d[0] | env->qc.d[1] ? FPSR_QC : 0) |
           env->fpsr_nzcv << FPSR_NZCV_SHIFT;
}

void arm_set_fpsr(CPUArmState *env, uint32_t val)
{
    tcg_backend_take_fp_flags(&env->parent);
    env->parent.fp_status.flags = val & FPSR_FLAGS;
    tcg_backend_set_fp_mode(&env->parent);
    env->fpsr_nzcv = val >> FPSR_NZCV_SHIFT;
    env->qc.d[0] = env->qc.d[1] = val & FPSR_QC ? ~0ull : 0;
}

uint32_t arm_tb_flags_common(const CPUArmState *env)
{
    return (env->fpcr & (FPCR_AHP | FPCR_FZ16) ? ARM_TBF_FP_SOFT : 0) |
           (env->fpcr & FPCR_FZ ? ARM_TBF_FP_FZ : 0) | (env->fpcr & FPCR_DN ? ARM_TBF_FP_DN : 0) |
           (env->guarded ? ARM_TBF_BTI : 0);
}

static uint32_t tb_flags(const CPUState *cpu)
{
    const CPUArmState *env = (const CPUArmState *)cpu;

    return arm_tb_flags_common(env) | (env->x[31] & 15 ? ARM_TBF_SP_ODD : 0);
}

/* --- PSTATE
 * -------------------------------------------------------------------------------------------------------
 */

uint32_t arm_get_pstate(const CPUArmState *env)
{
    return tcg_cc_unpack(env->cc) << 28 | env->pstate | env->btype << ARM_PSTATE_BTYPE_SHIFT;
}

void arm_set_pstate(CPUArmState *env, uint32_t val)
{
    env->cc = tcg_cc_pack(val >> 28);
    env->pstate = val & (ARM_PSTATE_DIT | ARM_PSTATE_SSBS);
    env->btype = val >> ARM_PSTATE_BTYPE_SHIFT & 3;
}

/* --- ID registers and hwcaps
 * ----------------------------------------------------------------------------------------- */

static uint64_t hwcap(const CPUArmState *env, int word)
{
    uint64_t caps = 0;

    for (int i = 0; i < ARM_FEAT_COUNT; i++) {
        if (arm_feature(env, i) && feature_info[i].hwcap_word == word) {
            caps |= 1ull << feature_info[i].hwcap_bit;
        }
    }
    return caps;
}

uint64_t arm_hwcap(const CPUArmState *env)
{
    enum { FP = 1 << 0, ASIMD = 1 << 1, CPUID = 1 << 11 };
    uint64_t pacg = arm_feature(env, ARM_FEAT_PAUTH) ? 1ull << 31 : 0;

    return hwcap(env, 1) | pacg | FP | ASIMD | CPUID;
}

uint64_t arm_hwcap2(const CPUArmState *env)
{
    return hwcap(env, 2);
}

/* CRm and op2 of those that are not 0; `constant` is what Linux puts in fields that it hides. */
static const struct {
    uint8_t crm, op2, reg;
    uint32_t constant;
} id_regs[] = {
    { 4, 0, PFR0, 0x11 },                      /* EL1 and EL0: AArch64 only */
    { 4, 1, PFR1, 0 },    { 5, 0, DFR0, 0x6 }, /* Armv8 debug */
    { 6, 0, ISAR0, 0 },   { 6, 1, ISAR1, 0 },
    { 6, 2, ISAR2, 0 },   { 7, 0, MMFR0, 0xff000000 }, /* neither 4 KB nor 64 KB granules */
    { 7, 1, MMFR1, 0 },   { 7, 2, MMFR2, 0 },
};

/* The fields that say which algorithm there is: addresses', generic. */
static uint64_t pauth_fields(const CPUArmState *env, IDReg reg)
{
    static const struct {
        uint8_t reg, address, generic; /* bit positions */
    } fields[] = {
        [ARM_PAUTH_IMPDEF] = { ISAR1, 8, 28 },
        [ARM_PAUTH_QARMA5] = { ISAR1, 4, 24 },
        [ARM_PAUTH_QARMA3] = { ISAR2, 12, 8 },
    };

    if (fields[env->pauth_algorithm].reg != reg) {
        return 0;
    }
    return 1ull << fields[env->pauth_algorithm].address |
           1ull << fields[env->pauth_algorithm].generic;
}

/* The fields that features below `end` say, and those of the register's own. */
static uint64_t id_register(const CPUArmState *env, int crm, int op2, int end)
{
    unsigned reg = 0;
    uint64_t val = 0;

    while (id_regs[reg].crm != crm || id_regs[reg].op2 != op2) {
        if (++reg == G_N_ELEMENTS(id_regs)) {
            return 0;
        }
    }
    reg = id_regs[reg].reg;
    for (int i = 0; i < end; i++) {
        const FeatureInfo *f = &feature_info[i];
        if (arm_feature(env, i) && f->id_reg == reg && (val >> f->shift & 15) < f->value) {
            val = (val & ~(15ull << f->shift)) | (uint64_t)f->value << f->shift;
        }
    }
    return arm_feature(env, ARM_FEAT_PAUTH) ? val | pauth_fields(env, reg) : val;
}

uint64_t arm_id_register(const CPUArmState *env, int crm, int op2)
{
    uint32_t constant = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(id_regs); i++) {
        if (id_regs[i].crm == crm && id_regs[i].op2 == op2) {
            constant = id_regs[i].constant;
        }
    }
    return id_register(env, crm, op2, ARM_FEAT_FIRST_SYSTEM) | constant;
}

uint64_t arm_id_register_el1(const CPUArmState *env, int crm, int op2)
{
    uint64_t val = id_register(env, crm, op2, ARM_FEAT_COUNT);

    if (crm == 4 && op2 == 0) {
        val |= 0x11; /* EL1 and EL0: AArch64 only */
    } else if (crm == 5 && op2 == 0) {
        val |= env->model->ids->dfr0;
    } else if (crm == 7 && op2 == 0) {
        val |= env->model->ids->mmfr0;
        if (arm_feature(env, ARM_FEAT_LPA2)) {
            val |= 1ull << 28; /* TGran4: 52 bits too */
        }
    }
    return val;
}

/* --- TargetOps
 * -----------------------------------------------------------------------------------------------------------
 */

#define X(n, pin)                                              \
    {                                                          \
        "x" #n, offsetof(CPUArmState, x[n]), TCG_TYPE_I64, pin \
    }
#define V(n, pin)                                               \
    {                                                           \
        "v" #n, offsetof(CPUArmState, v[n]), TCG_TYPE_V128, pin \
    }
/* clang-format off */
const TCGGlobalDef arm_globals[ARM_NB_GLOBALS] = {
    X(0, 1),   X(1, 2),  X(2, 3),  X(3, 4),  X(4, 8),   X(5, 11),  X(6, 13),  X(7, 0),
    X(8, 12),  X(9, 0),  X(10, 0), X(11, 0), X(12, 0),  X(13, 0),  X(14, 0),  X(15, 0),
    X(16, 0),  X(17, 0), X(18, 0), X(19, 6), X(20, 7),  X(21, 10), X(22, 14), X(23, 0),
    X(24, 0),  X(25, 0), X(26, 0), X(27, 0), X(28, 0),  X(29, 0),  X(30, 9),
    { "sp", offsetof(CPUArmState, x[31]), TCG_TYPE_I64, 5 },
    { "nzcv", offsetof(CPUArmState, cc), TCG_TYPE_CC, 0 },
    V(0, 1),   V(1, 2),  V(2, 3),  V(3, 4),  V(4, 5),   V(5, 6),   V(6, 7),   V(7, 8),
    V(8, 0),   V(9, 0),  V(10, 0), V(11, 0), V(12, 0),  V(13, 0),  V(14, 0),  V(15, 0),
    V(16, 9),  V(17, 10), V(18, 11), V(19, 12), V(20, 13), V(21, 14), V(22, 15), V(23, 16),
    V(24, 0),  V(25, 0), V(26, 0), V(27, 0), V(28, 0),  V(29, 0),  V(30, 0),  V(31, 0),
    { "qc", offsetof(CPUArmState, qc), TCG_TYPE_V128, 0 },
};
/* clang-format on */
#undef X
#undef V

void arm_dump_state(const CPUState *cpu, FILE *f)
{
    const CPUArmState *env = (const CPUArmState *)cpu;
    unsigned nzcv = tcg_cc_unpack(env->cc);

    fprintf(f, " PC=%016" PRIx64 "  SP=%016" PRIx64 "  NZCV=%c%c%c%c\n", env->pc, env->x[31],
            nzcv & 8 ? 'N' : '-', nzcv & 4 ? 'Z' : '-', nzcv & 2 ? 'C' : '-', nzcv & 1 ? 'V' : '-');
    for (int i = 0; i < 31; i++) {
        fprintf(f, "X%02d=%016" PRIx64 "%s", i, env->x[i], i % 4 == 3 || i == 30 ? "\n" : " ");
    }
    for (int i = 0; i < 32; i++) {
        fprintf(f, "Q%02d=%016" PRIx64 ":%016" PRIx64 "%s", i, env->v[i].d[1], env->v[i].d[0],
                i % 2 ? "\n" : " ");
    }
    fprintf(f, "FPCR=%08x FPSR flags=%02x QC=%d\n", env->fpcr, env->parent.fp_status.flags,
            (env->qc.d[0] | env->qc.d[1]) != 0);
}

const TargetOps arm_target = {
    ARM_TARGET_COMMON,
    .cpu_new = cpu_new,
    .cpu_reset = arm_cpu_reset,
    .cpu_copy = cpu_copy,
    .cpu_free = arm_cpu_free,
    .tb_flags = tb_flags,
    .dump_state = arm_dump_state,
};
