/* SPDX-License-Identifier: MIT */
/* -numa: which memory and which CPUs are near each other. */
#include <inttypes.h>
#include <string.h>
#include "hw/machine.h"
#include "util/opts.h"

static const OptDef node_opts[] = { { "nodeid", OPT_NUM, NULL, "its number" },
                                    { "mem", OPT_STR, NULL, "its part of the machine's memory" },
                                    { "memdev", OPT_STR, NULL, "the -object that is its memory" },
                                    { "cpus", OPT_STR, NULL, "its CPUs: N or N-M; repeatable" },
                                    { NULL, 0, NULL, NULL } };
static const OptDef dist_opts[] = { { "src", OPT_NUM, NULL, "from this node" },
                                    { "dst", OPT_NUM, NULL, "to this one" },
                                    { "val", OPT_NUM, NULL, "10 is local" },
                                    { NULL, 0, NULL, NULL } };
enum { NO_NODE = MACHINE_MAX_NODES };

typedef struct Parsing {
    Machine *m;
    NumaMemory *memory;
    bool present[MACHINE_MAX_NODES], own_memory, part_of_ram;
} Parsing;

static bool wrong(GError **err, const char *text)
{
    g_set_error_literal(err, HW_ERROR, 0, text);
    return false;
}

static bool parse_cpus(Parsing *p, unsigned node, const char *text, GError **err)
{
    unsigned first, last;
    int end = 0;
    if (sscanf(text, "%u-%u%n", &first, &last, &end) != 2 || text[end]) {
        end = 0;
        if (sscanf(text, "%u%n", &first, &end) != 1 || text[end]) {
            g_set_error(err, HW_ERROR, 0, "cpus=%s: neither N nor N-M", text);
            return false;
        }
        last = first;
    }
    if (first > last || last >= p->m->smp.max_cpus) {
        g_set_error(err, HW_ERROR, 0, "cpus=%s: there are %u CPUs (-smp)", text,
                    p->m->smp.max_cpus);
        return false;
    }
    for (unsigned i = first; i <= last; i++) {
        if (p->m->cpu_node[i] != NO_NODE) {
            g_set_error(err, HW_ERROR, 0, "CPU %u is in two nodes", i);
            return false;
        }
        p->m->cpu_node[i] = node;
    }
    return true;
}

static bool parse_memory(Parsing *p, NumaNode *node, const Opts *opts, GError **err)
{
    const char *size = opts_get(opts, "mem"), *memdev = opts_get(opts, "memdev");
    if (size && memdev) {
        return wrong(err, "mem= and memdev= together");
    }
    if (memdev) {
        p->own_memory = true;
        node->memory = p->memory(memdev, err);
        node->size = node->memory ? node->memory->size : 0;
        return node->memory != NULL;
    }
    if (size) {
        bool digits = g_ascii_isdigit(size[strlen(size) - (*size != 0)]);
        p->part_of_ram = true;
        if (!parse_size(size, &node->size, err)) {
            return false;
        }
        node->size <<= digits ? 20 : 0; /* as -m */
    }
    return true;
}

static bool parse_node(Parsing *p, const Opts *opts, GError **err)
{
    uint64_t n = opts_has(opts, "nodeid") ? opt_num(opts, node_opts, "nodeid") : p->m->nb_nodes;
    g_auto(GStrv) cpus = opts_get_all(opts, "cpus");
    if (n >= MACHINE_MAX_NODES || p->present[n]) {
        g_set_error(err, HW_ERROR, 0, "nodeid=%" PRIu64 " is %s", n,
                    n >= MACHINE_MAX_NODES ? "too high" : "taken");
        return false;
    }
    p->present[n] = true;
    p->m->nb_nodes = MAX(p->m->nb_nodes, (unsigned)n + 1);
    for (char **c = cpus; c && *c; c++) {
        if (!parse_cpus(p, (unsigned)n, *c, err)) {
            return false;
        }
    }
    return parse_memory(p, &p->m->nodes[n], opts, err);
}

static bool parse_dist(Parsing *p, const Opts *opts, GError **err)
{
    uint64_t src = opt_num(opts, dist_opts, "src"), dst = opt_num(opts, dist_opts, "dst"),
             val = opt_num(opts, dist_opts, "val");
    if (!opts_has(opts, "src") || !opts_has(opts, "dst") || !opts_has(opts, "val")) {
        return wrong(err, "dist needs src=, dst= and val=");
    }
    if (src >= p->m->nb_nodes || dst >= p->m->nb_nodes || !p->present[src] || !p->present[dst]) {
        return wrong(err, "dist: there is no such node before it");
    }
    if (val < NUMA_LOCAL || val > UINT8_MAX || (src == dst) != (val == NUMA_LOCAL)) {
        return wrong(err, "dist: val is 10 inside of a node, 11…255 between nodes");
    }
    p->m->nodes[src].distance[dst] = (uint8_t)val;
    return true;
}

static bool parse(Parsing *p, const char *text, GError **err)
{
    g_autoptr(Opts) opts = opts_new();
    if (!opts_parse(opts, text, "type", err)) {
        return false;
    }
    g_autofree char *type = g_strdup(opts_get(opts, "type"));
    opts_remove(opts, "type");
    if (type && !strcmp(type, "node")) {
        return opts_check(opts, node_opts, err) && parse_node(p, opts, err);
    }
    if (type && !strcmp(type, "dist")) {
        return opts_check(opts, dist_opts, err) && parse_dist(p, opts, err);
    }
    g_set_error(err, HW_ERROR, 0, "not implemented: kinds but node and dist");
    return false;
}

/* What was not said: distances (a way is as long as the way back), CPUs in groups, memory in equal
 * parts. */
static void complete(Parsing *p)
{
    Machine *m = p->m;
    for (unsigned i = 0; i < m->nb_nodes; i++) {
        for (unsigned j = 0; j < m->nb_nodes; j++) {
            uint8_t back = m->nodes[j].distance[i];
            if (!m->nodes[i].distance[j]) {
                m->nodes[i].distance[j] = i == j ? NUMA_LOCAL : back ? back : NUMA_REMOTE;
            }
        }
    }
    for (unsigned i = 0; i < m->smp.max_cpus; i++) {
        if (m->cpu_node[i] == NO_NODE) {
            m->cpu_node[i] = i * m->nb_nodes / m->smp.max_cpus;
        }
    }
    for (unsigned i = 0; i < m->nb_nodes && !p->own_memory && !p->part_of_ram; i++) {
        const uint64_t unit = 2 << 20, part = m->ram_size / m->nb_nodes & ~(unit - 1);
        m->nodes[i].size = i + 1 < m->nb_nodes ? part : m->ram_size - part * (m->nb_nodes - 1);
    }
}

static bool check(const Parsing *p, GError **err)
{
    const Machine *m = p->m;
    uint64_t sum = 0;
    for (unsigned i = 0; i < m->nb_nodes; i++) {
        if (!p->present[i]) {
            g_set_error(err, HW_ERROR, 0, "node %u is missing", i);
            return false;
        }
        if (m->nodes[i].size & 4095) {
            return wrong(err, "mem= is no multiple of 4 KiB");
        }
        sum += m->nodes[i].size;
    }
    if (p->own_memory && (p->part_of_ram || m->ram)) {
        return wrong(err, "memdev= for some, and other memory for others");
    }
    if (sum != m->ram_size) {
        g_set_error(err, HW_ERROR, 0,
                    "the nodes have %" PRIu64 " MiB, the machine (-m) has %" PRIu64, sum >> 20,
                    m->ram_size >> 20);
        return false;
    }
    return true;
}

bool numa_set_up(Machine *m, const GPtrArray *texts, NumaMemory *memory, GError **err)
{
    Parsing p = { .m = m, .memory = memory };
    if (!texts->len) {
        return true;
    }
    m->nodes = g_new0(NumaNode, MACHINE_MAX_NODES);
    m->cpu_node = g_new(unsigned, m->smp.max_cpus);
    for (unsigned i = 0; i < m->smp.max_cpus; i++) {
        m->cpu_node[i] = NO_NODE;
    }
    for (guint i = 0; i < texts->len; i++) {
        if (!parse(&p, texts->pdata[i], err)) {
            g_prefix_error(err, "-numa %s: ", (const char *)texts->pdata[i]);
            return false;
        }
    }
    complete(&p);
    if (!check(&p, err)) {
        g_prefix_error(err, "-numa: ");
        return false;
    }
    return true;
}
