/* Interning of nodes by content. See nodes.h. */
#include "tool/render/nodes.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t hash_node(const struct ebb_node *node)
{
    uint64_t words[] = {
        ebb_hash_bytes(node->name, strlen(node->name)),
        ebb_hash_bytes(node->file, strlen(node->file)),
        ebb_hash_bytes(node->object, strlen(node->object)),
        (uint64_t)node->line,
        (uint64_t)node->start_line,
    };
    return ebb_hash_words(words, sizeof words / sizeof *words);
}

static bool equal(const struct ebb_node *a, const struct ebb_node *b)
{
    return a->line == b->line && a->start_line == b->start_line && strcmp(a->name, b->name) == 0 &&
           strcmp(a->file, b->file) == 0 && strcmp(a->object, b->object) == 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What is known, in the order name, file and line; the object only when nothing else is. */
static const char *make_label(struct ebb_arena *arena, const struct ebb_node *node)
{
    const char *gap = *node->name ? " " : "";
    if (node->line)
        return ebb_arena_printf(arena, "%s%s%s:%" PRId64, node->name, gap, node->file, node->line);
    if (*node->file)
        return ebb_arena_printf(arena, "%s%s%s", node->name, gap, node->file);
    if (*node->name)
        return node->name;
    if (*node->object)
        return ebb_arena_printf(arena, "[%s]", base_name(node->object));
    return "<unknown>";
}

static bool add(struct ebb_nodes *nodes, const struct ebb_node *wanted)
{
    struct ebb_node node = *wanted;
    node.name = ebb_arena_strdup(&nodes->arena, wanted->name);
    node.file = ebb_arena_strdup(&nodes->arena, wanted->file);
    node.object = ebb_arena_strdup(&nodes->arena, wanted->object);
    if (!node.name || !node.file || !node.object)
        return false;
    node.label = make_label(&nodes->arena, &node);
    return node.label && ebb_vec_push(&nodes->list, node) == 0;
}

uint32_t ebb_nodes_intern(struct ebb_nodes *nodes, const struct ebb_node *wanted)
{
    uint64_t hash = hash_node(wanted);
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&nodes->index, hash, &probe)) != EBB_NONE;)
        if (equal(&nodes->list.items[i], wanted))
            return i;
    if (nodes->list.len >= EBB_NONE || !add(nodes, wanted))
        return EBB_NONE;
    uint32_t id = (uint32_t)(nodes->list.len - 1);
    if (ebb_index_add(&nodes->index, hash, id) < 0) {
        nodes->list.len--;
        return EBB_NONE;
    }
    return id;
}

void ebb_nodes_free(struct ebb_nodes *nodes)
{
    ebb_index_free(&nodes->index);
    ebb_vec_free(&nodes->list);
    ebb_arena_free(&nodes->arena);
}

int ebb_nodes_compare_labels(const struct ebb_nodes *nodes, uint32_t a, uint32_t b)
{
    return a == b ? 0 : strcmp(nodes->list.items[a].label, nodes->list.items[b].label);
}

int ebb_nodes_compare(const struct ebb_nodes *nodes, uint32_t a, uint32_t b)
{
    if (a == b)
        return 0;
    const struct ebb_node *left = &nodes->list.items[a], *right = &nodes->list.items[b];
    int order = strcmp(left->label, right->label);
    if (!order)
        order = strcmp(left->name, right->name);
    if (!order)
        order = strcmp(left->file, right->file);
    if (!order && left->start_line != right->start_line)
        order = left->start_line < right->start_line ? -1 : 1;
    if (!order && left->line != right->line)
        order = left->line < right->line ? -1 : 1;
    return order ? order : strcmp(left->object, right->object);
}
