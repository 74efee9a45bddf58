/* SPDX-License-Identifier: MIT */
/*
 * A64 of a whole machine: exceptions and their return, PSTATE, waiting, system registers at EL0 and
 * EL1 (DDI 0487 C4.1.93, C5.2). Every translator here gives an unallocated encoding in user mode.
 */
#include "target/arm/system.h"
#include "target/arm/translate.h"

#define FIELD(f) offsetof(CPUArmState, f)

static void call(DisasContext *s, const TCGHelperInfo *info, TCGv_i64 a, TCGv_i64 b, TCGv_i64 c)
{
    gen_helper(s, info, TCG_NO_INDEX, tcg_env(s->tcg), a, b, c);
}

/* ---- before an instruction
 * ----------------------------------------------------------------------------- */

/* FP and SIMD data processing and loads and stores, FPCR and FPSR: by the main encoding table. */
static bool is_fp(uint32_t insn)
{
    bool processing = (insn >> 25 & 7) == 7, memory = (insn >> 25 & 5) == 4 && insn >> 26 & 1;
    bool control = (insn & 0xffdfffc0) == 0xd51b4400;

    return processing || memory || control;
}

static void clear_pstate(DisasContext *s, uint32_t bits)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg);

    tcg_gen_ld_env(s->tcg, MO_32, t, FIELD(pstate));
    tcg_gen(and, s->tcg, MO_32, t, t, imm64(s, (uint32_t)~bits));
    tcg_gen_st_env(s->tcg, MO_32, t, FIELD(pstate));
}

bool el1_start(DisasContext *s)
{
    uint32_t flags = s->tb->flags;

    if (flags & ARM_TBF_STEP_NOW) {
        gen_exception_syndrome(s, syn(EC_STEP, 1 << 24 | FSC_DEBUG), s->pc);
    } else if (flags & ARM_TBF_IL) {
        gen_exception_syndrome(s, syn(EC_ILLEGAL, 0), s->pc);
    } else if (flags & ARM_TBF_FP_TRAP && is_fp(s->insn)) {
        gen_exception_syndrome(s, syn_fp_access(), s->pc);
    }
    if (s->done) {
        return true;
    }
    if (flags & ARM_TBF_BREAKPOINTS) {
        call(s, &s->env->sys_ops->breakpoint, TCG_NO_INDEX, TCG_NO_INDEX, TCG_NO_INDEX);
    }
    if (flags & ARM_TBF_STEP) {
        clear_pstate(s, ARM_PSTATE_SS);
    }
    return false;
}

/* ---- exceptions
 * --------------------------------------------------------------------------------------- */

bool trans_firmware(DisasContext *s, arg_firmware *a)
{
    if (!s->system || s->el == 0 ||
        s->env->board->config.psci != (a->smc ? ARM_PSCI_SMC : ARM_PSCI_HVC)) {
        return false;
    }
    call(s, &s->env->sys_ops->firmware, TCG_NO_INDEX, TCG_NO_INDEX, TCG_NO_INDEX);
    gen_end_block(s);
    return true;
}

static void return_to(DisasContext *s, TCGv_i64 target)
{
    call(s, &s->env->sys_ops->eret, target, TCG_NO_INDEX, TCG_NO_INDEX);
    gen_end_block(s); /* not reached: the helper leaves */
}

static TCGv_i64 return_address(DisasContext *s)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg);

    tcg_gen_ld_env(s->tcg, MO_64, t, FIELD(sys.elr_el) + 8 * s->el);
    return t;
}

bool trans_eret(DisasContext *s, G_GNUC_UNUSED arg_eret *a)
{
    if (!s->system || s->el == 0) {
        return false;
    }
    return_to(s, return_address(s));
    return true;
}

bool trans_eretaa(DisasContext *s, arg_eretaa *a)
{
    if (!s->system || s->el == 0) {
        return false;
    }
    return_to(s, gen_authenticated(s, return_address(s), reg_xsp(31), a->key));
    return true;
}

/* ---- waiting
 * ------------------------------------------------------------------------------------------ */

bool el1_wait(DisasContext *s, int kind, int rd)
{
    call(s, &s->env->sys_ops->wait, imm64(s, kind), imm64(s, rd), reg_x(s, rd));
    gen_end_block(s);
    return true;
}

bool trans_sev(DisasContext *s, arg_sev *a)
{
    if (s->system) {
        call(s, &s->env->sys_ops->sev, imm64(s, a->all), TCG_NO_INDEX, TCG_NO_INDEX);
    }
    return true;
}

/* ---- PSTATE
 * --------------------------------------------------------------------------------------------- */

/* After bits of DAIF may have been cleared: what waits is taken before the next instruction. */
static void look_for_interrupts(DisasContext *s)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg);
    TCGExit exit = { .kind = TCG_EXIT_MAIN, .pc = s->pc + 4 };

    tcg_gen_ld_env(s->tcg, MO_32, t, offsetof(CPUState, interrupts));
    tcg_gen_cond_imm(exit_cond, s->tcg, MO_32, TCG_COND_NE, tcg_new_exit(s->tcg, exit), t,
                     imm64(s, 0));
    s->nb_side_exits++;
    if (s->tb->flags & ARM_TBF_STEP_SOON) {
        gen_end_block(s);
    }
}

/* The bits `mask` of PSTATE become those of val. */
static void write_pstate(DisasContext *s, uint32_t mask, TCGv_i64 val)
{
    TCGv_i64 old = tcg_temp_i64(s->tcg), new = tcg_temp_i64(s->tcg);

    tcg_gen_ld_env(s->tcg, MO_32, old, FIELD(pstate));
    tcg_gen(and, s->tcg, MO_32, old, old, imm64(s, (uint32_t)~mask));
    tcg_gen(and, s->tcg, MO_32, new, val, imm64(s, mask));
    tcg_gen(or, s->tcg, MO_32, old, old, new);
    tcg_gen_st_env(s->tcg, MO_32, old, FIELD(pstate));
}

static void set_daif(DisasContext *s, uint32_t bits, bool set)
{
    if (s->el == 0) { /* SCTLR.UMA decides; rare */
        const ARMSysReg *r = s->env->sys_ops->find_reg(s->env, ARM_SYSREG(3, 3, 4, 2, 1));
        TCGv_i64 t = tcg_temp_i64(s->tcg);
        gen_helper(s, &s->env->sys_ops->mrs, t, tcg_env(s->tcg),
                   imm64(s, s->env->sys_ops->reg_id(r)), imm64(s, s->insn), TCG_NO_INDEX);
    }
    write_pstate(s, bits, imm64(s, set ? bits : 0));
    if (!set) {
        look_for_interrupts(s);
    }
}

bool trans_msr_pstate(DisasContext *s, arg_msr_pstate *a)
{
    static const struct {
        uint8_t op1, op2;
        int feature; /* -1: always */
        uint32_t bit;
    } bits[] = {
        { 0, 3, ARM_FEAT_UAO, ARM_PSTATE_UAO },
        { 0, 4, ARM_FEAT_PAN, ARM_PSTATE_PAN },
        { 0, 5, -1, ARM_PSTATE_SP },
    };

    if (!s->system) {
        return false;
    }
    if (a->op1 == 3 && a->op2 >= 6) {
        set_daif(s, (uint32_t)a->imm << 6, a->op2 == 6);
        return true;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bits) && s->el; i++) {
        if (bits[i].op1 != a->op1 || bits[i].op2 != a->op2 ||
            (bits[i].feature >= 0 && !dc_feature(s, bits[i].feature))) {
            continue;
        }
        if (bits[i].bit == ARM_PSTATE_SP) {
            const ARMSysReg *r = s->env->sys_ops->find_reg(s->env, ARM_SYSREG(3, 0, 4, 2, 0));
            call(s, &s->env->sys_ops->msr, imm64(s, s->env->sys_ops->reg_id(r)), imm64(s, s->insn),
                 imm64(s, a->imm & 1));
        } else {
            write_pstate(s, bits[i].bit, imm64(s, a->imm & 1 ? bits[i].bit : 0));
        }
        gen_end_block(s);
        return true;
    }
    return false;
}

/* ---- MRS, MSR, SYS
 * ---------------------------------------------------------------------------------------- */

static bool may_trap(const DisasContext *s, const ARMSysReg *r)
{
    if (r->key == ARM_SYSREG(3, 0, 4, 1, 0)) {
        return !(s->tb->flags & ARM_TBF_SPSEL); /* SP_EL0, which is read all the time */
    }
    return r->trap && (s->el == 0 || r->flags & ARM_REG_TRAP1);
}

static void read_reg(DisasContext *s, const ARMSysReg *r, TCGv_i64 d)
{
    if (r->flags & ARM_REG_PSTATE && !may_trap(s, r)) {
        TCGv_i64 t = tcg_temp_i64(s->tcg);
        tcg_gen_ld_env(s->tcg, MO_32, t, FIELD(pstate));
        tcg_gen(and, s->tcg, MO_64, d, t, imm64(s, r->mask));
    } else if (r->read || may_trap(s, r) || r->flags & ARM_REG_PSTATE) {
        gen_helper(s, &s->env->sys_ops->mrs, d, tcg_env(s->tcg),
                   imm64(s, s->env->sys_ops->reg_id(r)), imm64(s, s->insn), TCG_NO_INDEX);
    } else if (r->flags & ARM_REG_CONST) {
        tcg_gen_movi(s->tcg, d, r->reset);
    } else {
        tcg_gen_ld_env(s->tcg, MO_64, d, r->offset);
    }
}

static void write_reg(DisasContext *s, const ARMSysReg *r, TCGv_i64 v)
{
    bool plain = !r->write && !may_trap(s, r) && !(r->flags & (ARM_REG_CONST | ARM_REG_MASKED));

    if (plain && r->flags & ARM_REG_PSTATE) {
        write_pstate(s, r->mask, v);
        if (r->mask & ARM_PSTATE_DAIF) {
            look_for_interrupts(s);
        }
    } else if (plain) {
        tcg_gen_st_env(s->tcg, MO_64, v, r->offset);
    } else {
        call(s, &s->env->sys_ops->msr, imm64(s, s->env->sys_ops->reg_id(r)), imm64(s, s->insn), v);
        if (r->flags & ARM_REG_PSTATE) {
            look_for_interrupts(s);
        }
    }
    if (r->flags & ARM_REG_ENDS) {
        gen_end_block(s);
    }
}

static bool zva(DisasContext *s, int rt)
{
    if (s->tb->flags & ARM_TBF_ZVA_TRAP) {
        gen_exception_syndrome(s, syn_sysreg(s->insn), s->pc);
    } else {
        gen_dc_zva(s, mem_flat(s, mem_addr_base(reg_x(s, rt), 0), 1));
    }
    return true;
}

bool el1_sysreg(DisasContext *s, int key, bool read, int rt)
{
    if (key == ARM_SYSREG(1, 3, 7, 4, 1)) {
        return zva(s, rt);
    }
    const ARMSysReg *r = s->env->sys_ops->find_reg(s->env, key);
    if (!r) {
        return false;
    }
    unsigned allowed = (read ? r->access : r->access >> 4) & ((2u << s->el) - 1);
    if (!allowed) {
        /* FEAT_IDST: an ID register read at EL0 is trapped as what it is */
        bool id = s->el == 0 && read && (key & ~0x7f) == ARM_SYSREG(3, 0, 0, 0, 0);
        if (!id || !dc_feature(s, ARM_FEAT_IDST)) {
            return false;
        }
        gen_exception_syndrome(s, syn_sysreg(s->insn), s->pc);
        return true;
    }
    if (read) {
        read_reg(s, r, reg_dest(s, rt));
    } else {
        write_reg(s, r, reg_x(s, rt));
    }
    return true;
}
