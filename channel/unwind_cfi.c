/* The reader of .eh_frame. See unwind_cfi.h.
 *
 * The .eh_frame_hdr holds a sorted table from the first address of each function to its frame
 * description entry (FDE). The FDE's instructions, after those of the common entry (CIE) it points
 * to, are run up to `pc`; the row that stands there is turned into a rule. CFA expressions are
 * evaluated at once as far as they depend on constants and pc only, which covers what linkers and
 * assembly authors write: "sp + 8, 8 more in the second half of a PLT slot", "*(fp - 8)", "*(sp +
 * 40)
 * + 8".
 *
 * Functions must not be instrumented: they run inside malloc of any program. */
#include "channel/unwind_cfi.h"

#include <stddef.h>
#include <string.h>

/* DW_EH_PE_...: how a pointer is stored. */
enum {
    PE_ABSPTR = 0x00,
    PE_UDATA4 = 0x03,
    PE_SDATA4 = 0x0b,
    PE_PCREL = 0x10,
    PE_DATAREL = 0x30,
    PE_OMIT = 0xff,
};

enum { REMEMBERED_STATES = 8, EXPRESSION_DEPTH = 8 };

/* --- reading bytes ---------------------------------------------------------------------------- */

struct cursor {
    const uint8_t *at, *end;
    bool bad; /* ran over the end, or met something unknown; reads give 0 from then on */
};

static bool take(struct cursor *cursor, void *value, size_t size)
{
    if (cursor->bad || (size_t)(cursor->end - cursor->at) < size) {
        cursor->bad = true;
        memset(value, 0, size);
        return false;
    }
    memcpy(value, cursor->at, size);
    cursor->at += size;
    return true;
}

static void skip(struct cursor *cursor, uint64_t size)
{
    if (cursor->bad || size > (uint64_t)(cursor->end - cursor->at))
        cursor->bad = true;
    else
        cursor->at += size;
}

static uint8_t u8(struct cursor *cursor)
{
    uint8_t value;
    take(cursor, &value, sizeof value);
    return value;
}

static uint16_t u16(struct cursor *cursor)
{
    uint16_t value;
    take(cursor, &value, sizeof value);
    return value;
}

static uint32_t u32(struct cursor *cursor)
{
    uint32_t value;
    take(cursor, &value, sizeof value);
    return value;
}

static uint64_t u64(struct cursor *cursor)
{
    uint64_t value;
    take(cursor, &value, sizeof value);
    return value;
}

static uint64_t uleb(struct cursor *cursor)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = u8(cursor);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

static int64_t sleb(struct cursor *cursor)
{
    uint64_t value = 0;
    for (unsigned shift = 0;;) {
        uint8_t byte = u8(cursor);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (!(byte & 0x80)) {
            if ((byte & 0x40) && shift < 64)
                value |= ~UINT64_C(0) << shift;
            return (int64_t)value;
        }
    }
}

/* A pointer in the given encoding; `data` is what data-relative ones are relative to. */
static uint64_t pointer(struct cursor *cursor, uint8_t encoding, uint64_t data)
{
    uint64_t here = (uint64_t)(uintptr_t)cursor->at, value;
    switch (encoding & 0x0f) {
    case 0x00: /* absptr */
    case 0x04: /* udata8 */
    case 0x0c: /* sdata8 */
        value = u64(cursor);
        break;
    case 0x01:
        value = uleb(cursor);
        break;
    case 0x02:
        value = u16(cursor);
        break;
    case 0x03:
        value = u32(cursor);
        break;
    case 0x09:
        value = (uint64_t)sleb(cursor);
        break;
    case 0x0a:
        value = (uint64_t)(int64_t)(int16_t)u16(cursor);
        break;
    case 0x0b:
        value = (uint64_t)(int64_t)(int32_t)u32(cursor);
        break;
    default:
        cursor->bad = true;
        return 0;
    }
    switch (encoding & 0xf0) {
    case PE_ABSPTR:
        return value;
    case PE_PCREL:
        return value + here;
    case PE_DATAREL:
        return value + data;
    default: /* text-relative, aligned and indirect ones do not occur where we look */
        cursor->bad = true;
        return 0;
    }
}

/* --- finding the entries ---------------------------------------------------------------------- */

struct entry { /* an FDE and what of its CIE matters */
    struct cursor cie_code, fde_code;
    uint64_t begin, range; /* the addresses it covers */
    uint64_t code_align;
    int64_t data_align;
    uint64_t ra_register;
    bool is_signal;
};

/* The body of the record at `at`: after its length, up to its end. */
static struct cursor record(const struct ebb_cfi_tables *tables, const uint8_t *at)
{
    struct cursor cursor = {at, tables->end, at < tables->start || at >= tables->end};
    uint32_t length = u32(&cursor);
    uint64_t long_length = length == UINT32_MAX ? u64(&cursor) : length;
    if (cursor.bad || long_length == 0 || long_length > (uint64_t)(cursor.end - cursor.at))
        cursor.bad = true;
    else
        cursor.end = cursor.at + long_length;
    return cursor;
}

/* Reads a CIE; its pointer encoding goes to `encoding`, whether FDEs carry augmentation data to
 * `augmented`. */
static bool read_cie(const struct ebb_cfi_tables *tables, const uint8_t *at, struct entry *entry,
                     uint8_t *encoding, bool *augmented)
{
    struct cursor cursor = record(tables, at);
    uint32_t id = u32(&cursor);
    uint8_t version = u8(&cursor);
    const char *augmentation = (const char *)cursor.at;
    while (u8(&cursor))
        ;
    if (cursor.bad || id != 0 || (version != 1 && version != 3))
        return false;
    entry->code_align = uleb(&cursor);
    entry->data_align = sleb(&cursor);
    entry->ra_register = version == 1 ? u8(&cursor) : uleb(&cursor);
    *encoding = PE_ABSPTR;
    *augmented = *augmentation == 'z';
    if (!*augmented) {
        entry->cie_code = cursor;
        return !cursor.bad && !*augmentation;
    }
    uint64_t size = uleb(&cursor);
    struct cursor data = cursor;
    skip(&cursor, size);
    for (const char *letter = augmentation + 1; *letter && !data.bad; letter++) {
        switch (*letter) {
        case 'R':
            *encoding = u8(&data);
            break;
        case 'L':
            u8(&data);
            break;
        case 'P': {
            uint8_t personality = u8(&data);
            pointer(&data, personality & 0x0f, 0);
            break;
        }
        case 'S':
            entry->is_signal = true;
            break;
        case 'B': /* aarch64: signed with the B key */
        case 'G': /* aarch64: the stack is tagged */
            break;
        default:
            return false;
        }
    }
    entry->cie_code = cursor;
    return !cursor.bad && !data.bad;
}

static bool read_fde(const struct ebb_cfi_tables *tables, const uint8_t *at, struct entry *entry)
{
    struct cursor cursor = record(tables, at);
    const uint8_t *here = cursor.at;
    uint32_t back = u32(&cursor);
    uint8_t encoding;
    bool augmented;
    if (cursor.bad || back == 0 || back > (uint64_t)(here - tables->start) ||
        !read_cie(tables, here - back, entry, &encoding, &augmented))
        return false;
    entry->begin = pointer(&cursor, encoding, 0);
    entry->range = pointer(&cursor, encoding & 0x0f, 0);
    if (augmented)
        skip(&cursor, uleb(&cursor));
    entry->fde_code = cursor;
    return !cursor.bad;
}

/* Looks `pc` up in the sorted table of .eh_frame_hdr. */
static const uint8_t *search(const struct ebb_cfi_tables *tables, uint64_t pc)
{
    const uint8_t *header = tables->eh_frame_hdr;
    struct cursor cursor = {header, tables->end, header < tables->start || header >= tables->end};
    uint64_t data = (uint64_t)(uintptr_t)header;
    uint8_t version = u8(&cursor), frame_encoding = u8(&cursor), count_encoding = u8(&cursor),
            table_encoding = u8(&cursor);
    if (cursor.bad || version != 1 || count_encoding == PE_OMIT ||
        table_encoding != (PE_DATAREL | PE_SDATA4))
        return NULL;
    if (frame_encoding != PE_OMIT)
        pointer(&cursor, frame_encoding, data);
    uint64_t count = pointer(&cursor, count_encoding, data);
    if (cursor.bad || count == 0 || count > (uint64_t)(cursor.end - cursor.at) / 8)
        return NULL;
    const uint8_t *table = cursor.at;
    int64_t wanted = (int64_t)(pc - data);
    uint64_t low = 0, high = count; /* the last entry that starts at or before `wanted` */
    int32_t pair[2];
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        memcpy(pair, table + middle * 8, sizeof pair);
        if (pair[0] <= wanted)
            low = middle;
        else
            high = middle;
    }
    memcpy(pair, table + low * 8, sizeof pair);
    uint64_t fde = data + (uint64_t)(int64_t)pair[1];
    return pair[0] <= wanted ? (const uint8_t *)ebb_cfi_pointer(fde) : NULL;
}

/* --- expressions ------------------------------------------------------------------------------ */

/* A value that is (register, perhaps read through, perhaps none) + a constant. */
struct value {
    enum { CONSTANT, REGISTER, READ } kind;
    uint64_t reg;
    uint64_t inner,
        number; /* CONSTANT: number; REGISTER: reg + number; READ: *(reg + inner) + number */
};

/* What two values make; false for a combination that is not of the form above. */
static bool combine(uint8_t opcode, struct value *left, const struct value *right)
{
    bool constants = left->kind == CONSTANT && right->kind == CONSTANT;
    uint64_t a = left->number, b = right->number;
    int64_t sa = (int64_t)a, sb = (int64_t)b;
    switch (opcode) {
    case 0x22: /* plus */
        if (right->kind != CONSTANT) {
            if (left->kind != CONSTANT)
                return false;
            *left = *right;
        }
        left->number = a + b;
        return true;
    case 0x1c: /* minus */
        left->number = a - b;
        return right->kind == CONSTANT;
    case 0x1a:
        left->number = a & b;
        return constants;
    case 0x21:
        left->number = a | b;
        return constants;
    case 0x24: /* shl */
        left->number = b < 64 ? a << b : 0;
        return constants;
    case 0x25: /* shr */
        left->number = b < 64 ? a >> b : 0;
        return constants;
    case 0x29:
        left->number = a == b;
        return constants;
    case 0x2a:
        left->number = sa >= sb;
        return constants;
    case 0x2b:
        left->number = sa > sb;
        return constants;
    case 0x2c:
        left->number = sa <= sb;
        return constants;
    case 0x2d:
        left->number = sa < sb;
        return constants;
    case 0x2e:
        left->number = a != b;
        return constants;
    default:
        return false;
    }
}

/* Evaluates an expression as far as it can be known beforehand. */
static bool evaluate(struct cursor code, uint64_t pc, struct value *result)
{
    struct value stack[EXPRESSION_DEPTH];
    unsigned depth = 0;
    while (!code.bad && code.at < code.end) {
        uint8_t opcode = u8(&code);
        struct value next = {CONSTANT, 0, 0, 0};
        if (opcode >= 0x30 && opcode <= 0x4f) { /* lit0 to lit31 */
            next.number = opcode - 0x30u;
        } else if (opcode >= 0x70 && opcode <= 0x8f) { /* breg0 to breg31 */
            next.number = (uint64_t)sleb(&code);
            next.reg = opcode - 0x70u;
            next.kind = REGISTER;
#if defined(__x86_64__)
            if (next.reg == EBB_CFI_RA) { /* rip, which is known */
                next.number += pc;
                next.kind = CONSTANT;
            }
#endif
        } else if (opcode == 0x08) { /* const1u */
            next.number = u8(&code);
        } else if (opcode == 0x09) { /* const1s */
            next.number = (uint64_t)(int64_t)(int8_t)u8(&code);
        } else if (opcode == 0x0a) { /* const2u */
            next.number = u16(&code);
        } else if (opcode == 0x10) { /* constu */
            next.number = uleb(&code);
        } else if (opcode == 0x11) { /* consts */
            next.number = (uint64_t)sleb(&code);
        } else if (opcode == 0x23 && depth > 0) { /* plus_uconst */
            stack[depth - 1].number += uleb(&code);
            continue;
        } else if (opcode == 0x06 && depth > 0 && stack[depth - 1].kind == REGISTER) { /* deref */
            struct value *top = &stack[depth - 1];
            *top = (struct value){READ, top->reg, top->number, 0};
            continue;
        } else {
            if (depth < 2 || !combine(opcode, &stack[depth - 2], &stack[depth - 1]))
                return false;
            depth--;
            continue;
        }
        if (depth == EXPRESSION_DEPTH)
            return false;
        stack[depth++] = next;
    }
    if (code.bad || depth != 1)
        return false;
    *result = stack[0];
    return true;
}

/* --- running the instructions ----------------------------------------------------------------- */

enum how {
    HOW_SAME,
    HOW_SAVED,       /* at the CFA plus the offset */
    HOW_SAVED_AT_FP, /* at the frame pointer plus the offset */
    HOW_UNDEFINED,
    HOW_LOST,
};

struct saved {
    uint8_t how; /* enum how */
    int64_t offset;
};

enum { SLOT_RA, SLOT_FP, SLOT_BASE, SLOT_COUNT };

struct row {
    uint64_t cfa_register;
    int64_t cfa_offset;
    const uint8_t *expression, *expression_end; /* NULL: the CFA is register + offset */
    bool ra_signed;
    struct saved slot[SLOT_COUNT];
};

struct machine {
    const struct entry *entry;
    struct row row, initial, remembered[REMEMBERED_STATES];
    unsigned depth;
    uint64_t location, pc;
};

static struct saved *slot_of(struct machine *machine, uint64_t reg)
{
    if (reg == machine->entry->ra_register)
        return &machine->row.slot[SLOT_RA];
    if (reg == EBB_CFI_FP)
        return &machine->row.slot[SLOT_FP];
    if (reg == EBB_CFI_BASE)
        return &machine->row.slot[SLOT_BASE];
    return NULL;
}

static void set_slot(struct machine *machine, uint64_t reg, enum how how, int64_t offset)
{
    struct saved *slot = slot_of(machine, reg);
    if (slot)
        *slot = (struct saved){(uint8_t)how, offset};
}

static void restore_slot(struct machine *machine, uint64_t reg)
{
    struct saved *slot = slot_of(machine, reg);
    if (slot)
        *slot = machine->initial.slot[slot - machine->row.slot];
}

static int64_t scaled(const struct machine *machine, uint64_t value)
{
    return (int64_t)(value * (uint64_t)machine->entry->data_align);
}

static void set_cfa(struct machine *machine, uint64_t reg, int64_t offset)
{
    machine->row.cfa_register = reg;
    machine->row.cfa_offset = offset;
    machine->row.expression = NULL;
}

/* Moves on; false when the row for pc is complete. */
static bool advance(struct machine *machine, uint64_t steps)
{
    uint64_t distance = steps * machine->entry->code_align;
    if (machine->location > machine->pc || distance > machine->pc - machine->location)
        return false;
    machine->location += distance;
    return true;
}

/* Realigned frames say where a register is relative to the frame pointer. */
static void save_by_expression(struct machine *machine, uint64_t reg, struct cursor expression)
{
    struct value place;
    if (evaluate(expression, machine->pc, &place) && place.kind == REGISTER &&
        place.reg == EBB_CFI_FP)
        set_slot(machine, reg, HOW_SAVED_AT_FP, (int64_t)place.number);
    else
        set_slot(machine, reg, HOW_LOST, 0);
}

/* One instruction of the extended kind. False: the row is complete, or (with code->bad) the
 * instruction is unknown. */
static bool run_extended(struct machine *machine, struct cursor *code, uint8_t opcode)
{
    uint64_t reg;
    switch (opcode) {
    case 0x00: /* nop */
        return true;
    case 0x01: { /* set_loc, whose encoding is the FDE's; not emitted for the machines here */
        code->bad = true;
        return false;
    }
    case 0x02:
        return advance(machine, u8(code));
    case 0x03:
        return advance(machine, u16(code));
    case 0x04:
        return advance(machine, u32(code));
    case 0x05: /* offset_extended */
        reg = uleb(code);
        set_slot(machine, reg, HOW_SAVED, scaled(machine, uleb(code)));
        return true;
    case 0x06: /* restore_extended */
        restore_slot(machine, uleb(code));
        return true;
    case 0x07: /* undefined */
        set_slot(machine, uleb(code), HOW_UNDEFINED, 0);
        return true;
    case 0x08: /* same_value */
        set_slot(machine, uleb(code), HOW_SAME, 0);
        return true;
    case 0x09: /* register: kept in another one */
        set_slot(machine, uleb(code), HOW_LOST, 0);
        uleb(code);
        return true;
    case 0x0a: /* remember_state */
        if (machine->depth == REMEMBERED_STATES)
            code->bad = true;
        else
            machine->remembered[machine->depth++] = machine->row;
        return !code->bad;
    case 0x0b: /* restore_state */
        if (machine->depth == 0)
            code->bad = true;
        else
            machine->row = machine->remembered[--machine->depth];
        return !code->bad;
    case 0x0c: /* def_cfa */
        reg = uleb(code);
        set_cfa(machine, reg, (int64_t)uleb(code));
        return true;
    case 0x0d: /* def_cfa_register */
        set_cfa(machine, uleb(code), machine->row.cfa_offset);
        return true;
    case 0x0e: /* def_cfa_offset */
        set_cfa(machine, machine->row.cfa_register, (int64_t)uleb(code));
        return true;
    case 0x0f: { /* def_cfa_expression */
        uint64_t size = uleb(code);
        machine->row.expression = code->at;
        skip(code, size);
        machine->row.expression_end = code->at;
        return true;
    }
    case 0x10: { /* expression */
        reg = uleb(code);
        uint64_t size = uleb(code);
        struct cursor expression = {code->at, code->at, code->bad};
        skip(code, size);
        expression.end = code->at;
        save_by_expression(machine, reg, expression);
        return true;
    }
    case 0x16: /* val_expression */
        set_slot(machine, uleb(code), HOW_LOST, 0);
        skip(code, uleb(code));
        return true;
    case 0x11: /* offset_extended_sf */
        reg = uleb(code);
        set_slot(machine, reg, HOW_SAVED, scaled(machine, (uint64_t)sleb(code)));
        return true;
    case 0x12: /* def_cfa_sf */
        reg = uleb(code);
        set_cfa(machine, reg, scaled(machine, (uint64_t)sleb(code)));
        return true;
    case 0x13: /* def_cfa_offset_sf */
        set_cfa(machine, machine->row.cfa_register, scaled(machine, (uint64_t)sleb(code)));
        return true;
    case 0x14: /* val_offset */
    case 0x15: /* val_offset_sf */
        set_slot(machine, uleb(code), HOW_LOST, 0);
        uleb(code);
        return true;
    case 0x2d: /* AARCH64_negate_ra_state */
        machine->row.ra_signed = !machine->row.ra_signed;
        return true;
    case 0x2e: /* GNU_args_size */
        uleb(code);
        return true;
    case 0x2f: /* GNU_negative_offset_extended */
        reg = uleb(code);
        set_slot(machine, reg, HOW_SAVED, scaled(machine, 0 - uleb(code)));
        return true;
    default:
        code->bad = true;
        return false;
    }
}

/* Runs until the end or until the row for pc is complete; false for an unknown instruction. */
static bool run(struct machine *machine, struct cursor code)
{
    while (!code.bad && code.at < code.end) {
        uint8_t opcode = u8(&code), operand = opcode & 0x3f;
        bool more = true;
        switch (opcode & 0xc0) {
        case 0x40:
            more = advance(machine, operand);
            break;
        case 0x80:
            set_slot(machine, operand, HOW_SAVED, scaled(machine, uleb(&code)));
            break;
        case 0xc0:
            restore_slot(machine, operand);
            break;
        default:
            more = run_extended(machine, &code, opcode);
            break;
        }
        if (!more)
            break;
    }
    return !code.bad;
}

/* --- the rule --------------------------------------------------------------------------------- */

static bool fits(int64_t offset)
{
    return offset > INT32_MIN && offset <= INT32_MAX;
}

/* Says in `rule` where the CFA is; false when it cannot be said. */
static bool express_cfa(const struct row *row, uint64_t pc, struct ebb_cfi_rule *rule)
{
    struct value cfa = {REGISTER, row->cfa_register, 0, (uint64_t)row->cfa_offset};
    if (row->expression &&
        !evaluate((struct cursor){row->expression, row->expression_end, false}, pc, &cfa))
        return false;
    if (cfa.kind == CONSTANT)
        return false;
    if (cfa.reg == EBB_CFI_SP)
        rule->from = EBB_CFI_FROM_SP;
    else if (cfa.reg == EBB_CFI_FP)
        rule->from = EBB_CFI_FROM_FP;
    else if (cfa.reg == EBB_CFI_BASE)
        rule->from = EBB_CFI_FROM_BASE;
    else
        return false;
    if (!fits((int64_t)cfa.number) || !fits((int64_t)cfa.inner))
        return false;
    if (cfa.kind == READ) {
        int64_t add = (int64_t)cfa.number;
        if (add < INT16_MIN || add > INT16_MAX)
            return false;
        rule->flags |= EBB_CFI_DEREF;
        rule->cfa_offset = (int32_t)cfa.inner;
        rule->cfa_add = (int16_t)add;
    } else {
        rule->cfa_offset = (int32_t)cfa.number;
    }
    return true;
}

/* Says in `rule` where a callee-saved register is. */
static bool express_slot(const struct saved *slot, uint16_t saved, uint16_t at_fp, int32_t *offset,
                         struct ebb_cfi_rule *rule)
{
    if (slot->how == HOW_SAME)
        return true;
    rule->flags |= saved;
    if (slot->how == HOW_SAVED_AT_FP)
        rule->flags |= at_fp;
    bool lost = slot->how == HOW_LOST || slot->how == HOW_UNDEFINED;
    *offset = lost ? EBB_CFI_LOST : (int32_t)slot->offset;
    return lost || fits(slot->offset);
}

static struct ebb_cfi_rule express(const struct machine *machine)
{
    const struct row *row = &machine->row;
    const struct ebb_cfi_rule none = {.kind = EBB_CFI_NONE};
    struct ebb_cfi_rule rule = {.kind = EBB_CFI_STEP};
    const struct saved *ra = &row->slot[SLOT_RA];
    if (ra->how == HOW_UNDEFINED)
        return (struct ebb_cfi_rule){.kind = EBB_CFI_END};
    if ((ra->how != HOW_SAME && ra->how != HOW_SAVED) || !fits(ra->offset) ||
        !express_cfa(row, machine->pc, &rule) ||
        !express_slot(&row->slot[SLOT_FP], EBB_CFI_FP_SAVED, EBB_CFI_FP_AT_FP, &rule.fp_offset,
                      &rule) ||
        !express_slot(&row->slot[SLOT_BASE], EBB_CFI_BASE_SAVED, EBB_CFI_BASE_AT_FP,
                      &rule.base_offset, &rule))
        return none;
    if (ra->how == HOW_SAME)
        rule.flags |= EBB_CFI_RA_IN_REG;
    else
        rule.ra_offset = (int32_t)ra->offset;
    if (row->ra_signed)
        rule.flags |= EBB_CFI_RA_SIGNED;
    return rule;
}

struct ebb_cfi_rule ebb_cfi_find(const struct ebb_cfi_tables *tables, uint64_t pc, bool *is_signal)
{
    struct entry entry = {.is_signal = false};
    struct ebb_cfi_rule none = {.kind = EBB_CFI_NONE};
    *is_signal = false;
    const uint8_t *fde = search(tables, pc);
    if (!fde || !read_fde(tables, fde, &entry) || pc - entry.begin >= entry.range)
        return none;
    *is_signal = entry.is_signal;
    struct machine machine = {.entry = &entry, .pc = pc, .location = entry.begin};
    if (!run(&machine, entry.cie_code))
        return none;
    machine.initial = machine.row;
    machine.location = entry.begin;
    if (!run(&machine, entry.fde_code))
        return none;
    return express(&machine);
}
