/* Reads pprof protobuf (profile.proto) in one pass, while it is being unpacked.
 *
 * Samples are nearly all of a large file. They are decoded here by hand, straight into the
 * profile's flat arrays. Everything else goes through protobuf-c and the compiled schema: an
 * encoded message may be cut between any two of its fields, and each piece is an encoded message of
 * the same type that holds those fields. So the other fields are put aside as they come, and each
 * MiB of them is unpacked as a small Profile of its own.
 *
 * References are checked at the end, as the tables may follow what refers to them: ids must be
 * known, unique and not 0, string indexes in range, every sample must have one value per type.
 * Equal strings become one, so that string indexes can be compared. */
#include "base/hash.h"
#include "base/vec.h"
#include "tool/profile/index.h"
#include "tool/profile/profile.h"
#include "tool/profile/room.h"

#include "profile.pb-c.h"

#include <stdarg.h>
#include <stdio.h>

enum { PIECE = 1 << 20 };

/* Location ids up to this are kept in `stack` as they are, less one; larger ones as FAR_ID + their
 * number in `far_ids`, until the locations are known. */
#define FAR_ID (UINT32_C(1) << 31)

struct ids EBB_VEC(uint64_t);

struct reader {
    const char *name;
    struct ebb_error *error;
    struct ebb_profile *profile; /* its arena takes the strings */
    bool has_time;

    struct byte_vec EBB_VEC(uint8_t) rest; /* encoded fields other than samples */

    /* The profile's arrays, with strings and references still as in the file. */
    struct string_vec EBB_VEC(char *) strings;
    struct type_vec EBB_VEC(struct ebb_value_type) types;
    struct mapping_vec EBB_VEC(struct ebb_mapping) mappings;
    struct function_vec EBB_VEC(struct ebb_function) functions;
    struct line_vec EBB_VEC(struct ebb_line) lines;
    struct location_vec EBB_VEC(struct ebb_location) locations;
    struct comment_vec EBB_VEC(uint32_t) comments;
    struct ids mapping_ids, function_ids, location_ids;
    struct ids line_functions, location_mappings; /* the ids that lines and locations refer to */

    struct offset_vec EBB_VEC(uint64_t) stack_start, label_start;
    struct stack_vec EBB_VEC(uint32_t) stack;
    struct value_vec EBB_VEC(int64_t) values;
    struct label_vec EBB_VEC(struct ebb_label) labels;
    size_t values_per_sample; /* of the first sample; all must agree */
    uint32_t highest_near;    /* highest location id in `stack` */
    struct ids far_ids;
    struct ebb_index far_index;
};

static int malformed(struct reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int malformed(struct reader *reader, const char *format, ...)
{
    char why[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    return ebb_error_set(reader->error, -EBADMSG, "%s: not a valid pprof profile: %s", reader->name,
                         why);
}

static int out_of_memory(struct reader *reader)
{
    return ebb_error_set(reader->error, -ENOMEM, "%s: out of memory while reading", reader->name);
}

/* ---- the wire format ---- */

enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

/* One field: `number` of a VARINT, else the bytes from `data` to `after`. */
struct field {
    uint32_t tag;
    enum wire wire;
    uint64_t number;
    const uint8_t *data, *after;
};

/* The varint at `at`; the place behind it, or NULL when it does not end before `end`. */
static inline const uint8_t *read_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    uint64_t result = 0;
    for (unsigned shift = 0; at < end && shift < 70; shift += 7) {
        uint8_t byte = *at++;
        result |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if (byte < 0x80) {
            *value = result;
            return at;
        }
    }
    return NULL;
}

/* The field at `at`; false when it is damaged or not whole before `end`. */
static inline bool read_field(const uint8_t *at, const uint8_t *end, struct field *field)
{
    uint64_t key;
    if (!(at = read_varint(at, end, &key)) || key >> 3 == 0 || key >> 3 > UINT32_MAX >> 3)
        return false;
    field->tag = (uint32_t)(key >> 3);
    field->wire = (enum wire)(key & 7);
    field->number = 0;
    field->data = at;
    switch (field->wire) {
    case VARINT:
        field->after = read_varint(at, end, &field->number);
        return field->after;
    case FIXED64:
        field->after = at + 8;
        return end - at >= 8;
    case FIXED32:
        field->after = at + 4;
        return end - at >= 4;
    case BYTES:
        if (!(at = read_varint(at, end, &key)) || key > (uint64_t)(end - at))
            return false;
        field->data = at;
        field->after = at + key;
        return true;
    default:
        return false;
    }
}

/* ---- samples ---- */

static int push_far(struct reader *reader, uint64_t id)
{
    uint64_t hash = ebb_mix64(id);
    size_t probe = 0;
    uint32_t i;
    while ((i = ebb_index_probe(&reader->far_index, hash, &probe)) != EBB_NONE)
        if (reader->far_ids.items[i] == id)
            break;
    if (i == EBB_NONE) {
        i = (uint32_t)reader->far_ids.len;
        if (i >= FAR_ID - 1 || ebb_vec_push(&reader->far_ids, id) < 0 ||
            ebb_index_add(&reader->far_index, hash, i) < 0)
            return out_of_memory(reader);
    }
    reader->stack.items[reader->stack.len++] = FAR_ID + i;
    return 0;
}

/* There is room in `stack`. */
static inline int push_location(struct reader *reader, uint64_t id)
{
    if (id - 1 >= FAR_ID)
        return id ? push_far(reader, id) : malformed(reader, "a sample has a location with id 0");
    if (id > reader->highest_near)
        reader->highest_near = (uint32_t)id;
    reader->stack.items[reader->stack.len++] = (uint32_t)id - 1;
    return 0;
}

static int push_locations(struct reader *reader, const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        uint64_t id;
        if (!(at = read_varint(at, end, &id)))
            return malformed(reader, "a sample's stack is damaged");
        int failed = push_location(reader, id);
        if (failed)
            return failed;
    }
    return 0;
}

static int push_values(struct reader *reader, const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        uint64_t value;
        if (!(at = read_varint(at, end, &value)))
            return malformed(reader, "a sample's values are damaged");
        reader->values.items[reader->values.len++] = (int64_t)value;
    }
    return 0;
}

/* A string's index as the file gives it; the range is checked when the table is known. */
static bool as_string(int64_t index, uint32_t *string)
{
    *string = (uint32_t)index;
    return index >= 0 && index < EBB_NONE;
}

static int push_label(struct reader *reader, const uint8_t *at, const uint8_t *end)
{
    struct ebb_label label = {0};
    struct field field;
    bool good = true;
    for (; good && at < end; at = field.after) {
        if (!read_field(at, end, &field))
            return malformed(reader, "a label is damaged");
        if (field.wire != VARINT)
            good = field.tag > 4;
        else if (field.tag == 1)
            good = as_string((int64_t)field.number, &label.key);
        else if (field.tag == 2)
            good = as_string((int64_t)field.number, &label.text);
        else if (field.tag == 3)
            label.number = (int64_t)field.number;
        else if (field.tag == 4)
            good = as_string((int64_t)field.number, &label.unit);
    }
    if (!good)
        return malformed(reader, "a label is damaged");
    if (label.text == 0 && label.number == 0 && label.unit == 0)
        return 0; /* says nothing; pprof ignores it as well */
    if (label.text) {
        label.number = 0;
        label.unit = 0;
    }
    return ebb_vec_push(&reader->labels, label) < 0 ? out_of_memory(reader) : 0;
}

static int read_sample_fields(struct reader *reader, const uint8_t *at, const uint8_t *end)
{
    struct field field;
    int failed = 0;
    for (; !failed && at < end; at = field.after) {
        if (!read_field(at, end, &field))
            return malformed(reader, "a sample is damaged");
        if (field.tag > 3)
            continue;
        if (field.wire == BYTES)
            failed = field.tag == 1   ? push_locations(reader, field.data, field.after)
                     : field.tag == 2 ? push_values(reader, field.data, field.after)
                                      : push_label(reader, field.data, field.after);
        else if (field.wire == VARINT && field.tag == 1)
            failed = push_location(reader, field.number);
        else if (field.wire == VARINT && field.tag == 2)
            reader->values.items[reader->values.len++] = (int64_t)field.number;
        else
            return malformed(reader, "a sample is damaged");
    }
    return failed;
}

static int read_sample(struct reader *reader, const uint8_t *at, const uint8_t *end)
{
    size_t size = (size_t)(end - at); /* no item takes less than a byte */
    size_t values_before = reader->values.len;
    if (ebb_vec_reserve(&reader->stack, reader->stack.len + size) < 0 ||
        ebb_vec_reserve(&reader->values, reader->values.len + size) < 0 ||
        ebb_vec_reserve(&reader->stack_start, reader->stack_start.len + 1) < 0 ||
        ebb_vec_reserve(&reader->label_start, reader->label_start.len + 1) < 0)
        return out_of_memory(reader);
    int failed = read_sample_fields(reader, at, end);
    if (failed)
        return failed;
    size_t value_count = reader->values.len - values_before;
    if (reader->stack_start.len == 1)
        reader->values_per_sample = value_count;
    if (value_count == 0 || value_count != reader->values_per_sample)
        return malformed(reader, "a sample has %zu values where others have %zu", value_count,
                         reader->values_per_sample);
    if (reader->stack_start.len >= EBB_NONE)
        return malformed(reader, "it has too many samples");
    reader->stack_start.items[reader->stack_start.len++] = reader->stack.len;
    reader->label_start.items[reader->label_start.len++] = reader->labels.len;
    return 0;
}

/* ---- everything else ---- */

static int bad_string(struct reader *reader)
{
    return malformed(reader, "a string index is out of range");
}

static int take_mapping(struct reader *reader, const Ebb__Pprof__Mapping *from)
{
    struct ebb_mapping mapping = {
        .start = from->memory_start,
        .limit = from->memory_limit,
        .offset = from->file_offset,
        .has_functions = from->has_functions,
        .has_filenames = from->has_filenames,
        .has_line_numbers = from->has_line_numbers,
        .has_inline_frames = from->has_inline_frames,
    };
    if (!as_string(from->filename, &mapping.file) || !as_string(from->build_id, &mapping.build_id))
        return bad_string(reader);
    if (from->id == 0)
        return malformed(reader, "a mapping has id 0");
    if (ebb_vec_push(&reader->mappings, mapping) < 0 ||
        ebb_vec_push(&reader->mapping_ids, from->id) < 0)
        return out_of_memory(reader);
    return 0;
}

static int take_function(struct reader *reader, const Ebb__Pprof__Function *from)
{
    struct ebb_function function = {.start_line = from->start_line};
    if (!as_string(from->name, &function.name) ||
        !as_string(from->system_name, &function.system_name) ||
        !as_string(from->filename, &function.file))
        return bad_string(reader);
    if (from->id == 0)
        return malformed(reader, "a function has id 0");
    if (ebb_vec_push(&reader->functions, function) < 0 ||
        ebb_vec_push(&reader->function_ids, from->id) < 0)
        return out_of_memory(reader);
    return 0;
}

static int take_location(struct reader *reader, const Ebb__Pprof__Location *from)
{
    if (from->id == 0)
        return malformed(reader, "a location has id 0");
    if (reader->lines.len + from->n_line >= EBB_NONE || reader->locations.len >= EBB_NONE - 1)
        return malformed(reader, "it has too many locations");
    struct ebb_location location = {
        .address = from->address,
        .first_line = (uint32_t)reader->lines.len,
        .line_count = (uint32_t)from->n_line,
        .folded = from->is_folded,
    };
    for (size_t i = 0; i < from->n_line; i++) {
        struct ebb_line line = {.line = from->line[i]->line};
        if (ebb_vec_push(&reader->lines, line) < 0 ||
            ebb_vec_push(&reader->line_functions, from->line[i]->function_id) < 0)
            return out_of_memory(reader);
    }
    if (ebb_vec_push(&reader->locations, location) < 0 ||
        ebb_vec_push(&reader->location_ids, from->id) < 0 ||
        ebb_vec_push(&reader->location_mappings, from->mapping_id) < 0)
        return out_of_memory(reader);
    return 0;
}

static int take_type(struct reader *reader, const Ebb__Pprof__ValueType *from)
{
    struct ebb_value_type type;
    if (!as_string(from->type, &type.type) || !as_string(from->unit, &type.unit))
        return bad_string(reader);
    return ebb_vec_push(&reader->types, type) < 0 ? out_of_memory(reader) : 0;
}

static int take_string(struct reader *reader, const char *from)
{
    if (reader->strings.len == 0 && *from)
        return malformed(reader, "its first string is not empty");
    if (reader->strings.len >= EBB_NONE - 1)
        return malformed(reader, "it has too many strings");
    char *text = ebb_arena_strdup(&reader->profile->arena, from);
    if (!text || ebb_vec_push(&reader->strings, text) < 0)
        return out_of_memory(reader);
    return 0;
}

/* The fields that are not lists: a later piece that lacks one leaves it as it was. */
static int take_header(struct reader *reader, const Ebb__Pprof__Profile *from)
{
    struct ebb_profile *header = reader->profile;
    const struct {
        int64_t from;
        uint32_t *to;
    } strings[] = {
        {from->drop_frames, &header->drop_frames},
        {from->keep_frames, &header->keep_frames},
        {from->default_sample_type, &header->default_type},
        {from->doc_url, &header->doc_url},
        {from->period_type ? from->period_type->type : 0, &header->period_type.type},
        {from->period_type ? from->period_type->unit : 0, &header->period_type.unit},
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        if (strings[i].from && !as_string(strings[i].from, strings[i].to))
            return bad_string(reader);
    for (size_t i = 0; i < from->n_comment; i++) {
        uint32_t comment;
        if (!as_string(from->comment[i], &comment))
            return bad_string(reader);
        if (ebb_vec_push(&reader->comments, comment) < 0)
            return out_of_memory(reader);
    }
    header->time_ns = from->time_nanos ? from->time_nanos : header->time_ns;
    header->duration_ns = from->duration_nanos ? from->duration_nanos : header->duration_ns;
    header->period = from->period ? from->period : header->period;
    return 0;
}

static int take_piece(struct reader *reader, const Ebb__Pprof__Profile *piece)
{
    int failed = take_header(reader, piece);
    for (size_t i = 0; !failed && i < piece->n_sample_type; i++)
        failed = take_type(reader, piece->sample_type[i]);
    for (size_t i = 0; !failed && i < piece->n_mapping; i++)
        failed = take_mapping(reader, piece->mapping[i]);
    for (size_t i = 0; !failed && i < piece->n_location; i++)
        failed = take_location(reader, piece->location[i]);
    for (size_t i = 0; !failed && i < piece->n_function; i++)
        failed = take_function(reader, piece->function[i]);
    for (size_t i = 0; !failed && i < piece->n_string_table; i++)
        failed = take_string(reader, piece->string_table[i]);
    return failed;
}

/* What protobuf-c unpacks into; it does not say whether a message was bad or memory short. */
struct unpacking {
    struct ebb_arena arena;
    bool exhausted;
};

static void *arena_alloc(void *unpacking, size_t size)
{
    struct unpacking *to = unpacking;
    void *memory = ebb_arena_alloc(&to->arena, size);
    to->exhausted |= !memory;
    return memory;
}

static void arena_keep(void *unpacking, void *memory)
{
}

static int unpack_rest(struct reader *reader)
{
    struct unpacking unpacking = {.exhausted = false};
    ProtobufCAllocator allocator = {arena_alloc, arena_keep, &unpacking};
    Ebb__Pprof__Profile *piece =
        ebb__pprof__profile__unpack(&allocator, reader->rest.len, reader->rest.items);
    int failed = piece                 ? take_piece(reader, piece)
                 : unpacking.exhausted ? out_of_memory(reader)
                                       : malformed(reader, "its encoding is damaged");
    ebb_arena_free(&unpacking.arena);
    reader->rest.len = 0;
    return failed;
}

static int put_aside(struct reader *reader, const uint8_t *at, const uint8_t *end)
{
    size_t size = (size_t)(end - at);
    if (reader->rest.len + size > PIECE && reader->rest.len) {
        int failed = unpack_rest(reader);
        if (failed)
            return failed;
    }
    if (ebb_vec_reserve(&reader->rest, reader->rest.len + size) < 0)
        return out_of_memory(reader);
    memcpy(reader->rest.items + reader->rest.len, at, size);
    reader->rest.len += size;
    return 0;
}

/* ---- the file ---- */

enum { TAG_SAMPLE = 2, TAG_TIME = 9 };

static int take_field(struct reader *reader, const uint8_t *at, const struct field *field)
{
    if (field->tag == TAG_SAMPLE && field->wire == BYTES)
        return read_sample(reader, field->data, field->after);
    if (field->tag == TAG_TIME) {
        if (reader->has_time)
            return malformed(reader, "it is several profiles in one file; split them");
        reader->has_time = true;
    }
    return put_aside(reader, at, field->after);
}

/* Takes the fields that are whole; `*used` says how many bytes they have. */
static int take_fields(struct reader *reader, const struct ebb_window *window, size_t *used)
{
    const uint8_t *at = window->bytes, *end = at + window->size;
    struct field field;
    int failed = 0;
    while (!failed && at < end && read_field(at, end, &field)) {
        failed = take_field(reader, at, &field);
        at = field.after;
    }
    *used = (size_t)(at - window->bytes);
    return failed;
}

/* Whether more bytes could make the field at the beginning of the window whole. */
static bool may_become_whole(const struct ebb_window *window)
{
    uint64_t key, size;
    const uint8_t *at = window->bytes, *end = at + window->size;
    if (window->size >= 20 && (!(at = read_varint(at, end, &key)) || (key & 7) != BYTES ||
                               !read_varint(at, end, &size) || size > EBB_SOURCE_LIMIT))
        return false;
    return true;
}

static int read_fields(struct reader *reader, struct ebb_window *window)
{
    for (;;) {
        size_t used;
        int failed = take_fields(reader, window, &used);
        if (failed)
            return failed;
        if (window->ended && used < window->size)
            return malformed(reader, "it is damaged or ends early");
        if (window->ended)
            return reader->rest.len ? unpack_rest(reader) : 0;
        if (used == 0 && !may_become_whole(window))
            return malformed(reader, "its encoding is damaged");
        if ((failed = ebb__window_advance(window, used, reader->error)))
            return failed;
    }
}

/* ---- references ---- */

/* From the ids of a table to its indexes. Most writers number from 1 without gaps: `ids->items[id -
 * 1] is id` answers before any hashing. */
struct id_table {
    const struct ids *ids;
    struct ebb_index index; /* of those for which the guess fails */
};

static inline uint32_t find_id(const struct id_table *table, uint64_t id)
{
    if (id - 1 < table->ids->len && table->ids->items[id - 1] == id)
        return (uint32_t)(id - 1);
    size_t probe = 0;
    uint32_t i;
    while ((i = ebb_index_probe(&table->index, ebb_mix64(id), &probe)) != EBB_NONE)
        if (table->ids->items[i] == id)
            break;
    return i;
}

static int make_id_table(struct reader *reader, struct id_table *table, const struct ids *ids,
                         const char *what)
{
    *table = (struct id_table){.ids = ids};
    for (size_t i = 0; i < ids->len; i++) {
        uint64_t id = ids->items[i];
        if (id == i + 1)
            continue;
        if (find_id(table, id) != EBB_NONE) {
            ebb_index_free(&table->index);
            return malformed(reader, "two %ss have the id %llu", what, (unsigned long long)id);
        }
        if (ebb_index_add(&table->index, ebb_mix64(id), (uint32_t)i) < 0) {
            ebb_index_free(&table->index);
            return out_of_memory(reader);
        }
    }
    return 0;
}

static int link_locations(struct reader *reader)
{
    struct id_table table;
    int failed = make_id_table(reader, &table, &reader->mapping_ids, "mapping");
    for (size_t i = 0; !failed && i < reader->locations.len; i++) {
        uint64_t id = reader->location_mappings.items[i];
        uint32_t mapping = find_id(&table, id);
        reader->locations.items[i].mapping = mapping;
    }
    ebb_index_free(&table.index);
    return failed;
}

static int link_lines(struct reader *reader)
{
    struct id_table table;
    int failed = make_id_table(reader, &table, &reader->function_ids, "function");
    for (size_t i = 0; !failed && i < reader->lines.len; i++) {
        uint64_t id = reader->line_functions.items[i];
        uint32_t function = find_id(&table, id);
        reader->lines.items[i].function = function;
        if (function == EBB_NONE)
            failed = malformed(reader, "a line has the unknown function id %llu",
                               (unsigned long long)id);
    }
    ebb_index_free(&table.index);
    return failed;
}

static int link_stacks(struct reader *reader)
{
    struct id_table table;
    int failed = make_id_table(reader, &table, &reader->location_ids, "location");
    bool as_they_are = table.index.count == 0 && reader->far_ids.len == 0 &&
                       reader->highest_near <= reader->location_ids.len;
    for (size_t i = 0; !failed && !as_they_are && i < reader->stack.len; i++) {
        uint32_t kept = reader->stack.items[i];
        uint64_t id = kept < FAR_ID ? kept + UINT64_C(1) : reader->far_ids.items[kept - FAR_ID];
        uint32_t location = find_id(&table, id);
        reader->stack.items[i] = location;
        if (location == EBB_NONE)
            failed = malformed(reader, "a sample has the unknown location id %llu",
                               (unsigned long long)id);
    }
    ebb_index_free(&table.index);
    return failed;
}

/* ---- strings ---- */

/* Makes equal strings one: `same[i]` is the new index of string i. */
static int merge_strings(struct reader *reader, uint32_t *same)
{
    struct ebb_index index = {0};
    size_t kept = 0;
    for (size_t i = 0; i < reader->strings.len; i++) {
        char *text = reader->strings.items[i];
        uint64_t hash = ebb_hash_bytes(text, strlen(text));
        size_t probe = 0;
        uint32_t found;
        while ((found = ebb_index_probe(&index, hash, &probe)) != EBB_NONE)
            if (strcmp(reader->strings.items[found], text) == 0)
                break;
        if (found == EBB_NONE) {
            found = (uint32_t)kept;
            reader->strings.items[kept++] = text;
            if (ebb_index_add(&index, hash, found) < 0) {
                ebb_index_free(&index);
                return out_of_memory(reader);
            }
        }
        same[i] = found;
    }
    reader->strings.len = kept;
    ebb_index_free(&index);
    return 0;
}

struct renaming {
    const uint32_t *same;
    size_t count;
    bool bad; /* an index was out of range */
};

static inline void rename_string(struct renaming *renaming, uint32_t *string)
{
    if (*string < renaming->count)
        *string = renaming->same[*string];
    else
        renaming->bad = true;
}

static void rename_strings(struct reader *reader, struct renaming *renaming)
{
    struct ebb_profile *header = reader->profile;
    uint32_t *of_header[] = {&header->drop_frames,      &header->keep_frames,
                             &header->default_type,     &header->doc_url,
                             &header->period_type.type, &header->period_type.unit};
    for (size_t i = 0; i < sizeof of_header / sizeof *of_header; i++)
        rename_string(renaming, of_header[i]);
    for (size_t i = 0; i < reader->comments.len; i++)
        rename_string(renaming, &reader->comments.items[i]);
    for (size_t i = 0; i < reader->types.len; i++) {
        rename_string(renaming, &reader->types.items[i].type);
        rename_string(renaming, &reader->types.items[i].unit);
    }
    for (size_t i = 0; i < reader->mappings.len; i++) {
        rename_string(renaming, &reader->mappings.items[i].file);
        rename_string(renaming, &reader->mappings.items[i].build_id);
    }
    for (size_t i = 0; i < reader->functions.len; i++) {
        rename_string(renaming, &reader->functions.items[i].name);
        rename_string(renaming, &reader->functions.items[i].system_name);
        rename_string(renaming, &reader->functions.items[i].file);
    }
    for (size_t i = 0; i < reader->labels.len; i++) {
        rename_string(renaming, &reader->labels.items[i].key);
        rename_string(renaming, &reader->labels.items[i].text);
        rename_string(renaming, &reader->labels.items[i].unit);
    }
}

static int link_strings(struct reader *reader)
{
    if (reader->strings.len == 0) {
        int failed = take_string(reader, "");
        if (failed)
            return failed;
    }
    uint32_t *same = malloc((reader->strings.len + 1) * sizeof *same);
    if (!same)
        return out_of_memory(reader);
    struct renaming renaming = {.same = same, .count = reader->strings.len};
    int failed = merge_strings(reader, same);
    if (!failed)
        rename_strings(reader, &renaming);
    free(same);
    return failed ? failed : renaming.bad ? bad_string(reader) : 0;
}

/* ---- the whole ---- */

static int link_all(struct reader *reader)
{
    size_t samples = reader->stack_start.len - 1;
    if (samples && reader->types.len == 0)
        return malformed(reader, "it has samples but no sample types");
    if (samples && reader->types.len != reader->values_per_sample)
        return malformed(reader, "its samples have %zu values for %zu sample types",
                         reader->values_per_sample, reader->types.len);
    if (reader->strings.len == 0 && reader->types.len == 0)
        return malformed(reader, "there is no profile in it");
    int failed = link_strings(reader);
    if (!failed)
        failed = link_locations(reader);
    if (!failed)
        failed = link_lines(reader);
    if (!failed)
        failed = link_stacks(reader);
    return failed;
}

/* Moves an array into the profile, which gives it back. */
#define HAND_OVER(profile_field, vec) ((profile_field) = (vec).items, (vec).items = NULL)

static int hand_over(struct reader *reader)
{
    struct ebb_profile *profile = reader->profile;
    profile->comment_count = reader->comments.len;
    if (reader->comments.len) {
        size_t size = reader->comments.len * sizeof *profile->comments;
        if (!(profile->comments = ebb_arena_alloc(&profile->arena, size)))
            return out_of_memory(reader);
        memcpy(profile->comments, reader->comments.items, size);
    }
    profile->string_count = reader->strings.len;
    profile->type_count = reader->types.len;
    profile->mapping_count = reader->mappings.len;
    profile->function_count = reader->functions.len;
    profile->line_count = reader->lines.len;
    profile->location_count = reader->locations.len;
    profile->sample_count = reader->stack_start.len - 1;
    HAND_OVER(profile->strings, reader->strings);
    HAND_OVER(profile->types, reader->types);
    HAND_OVER(profile->mappings, reader->mappings);
    HAND_OVER(profile->functions, reader->functions);
    HAND_OVER(profile->lines, reader->lines);
    HAND_OVER(profile->locations, reader->locations);
    HAND_OVER(profile->stack_start, reader->stack_start);
    HAND_OVER(profile->stack, reader->stack);
    HAND_OVER(profile->values, reader->values);
    if (reader->labels.len) {
        HAND_OVER(profile->label_start, reader->label_start);
        HAND_OVER(profile->labels, reader->labels);
    }
    return 0;
}

static void free_reader(struct reader *reader)
{
    ebb_profile_free(reader->profile);
    ebb_vec_free(&reader->rest);
    ebb_vec_free(&reader->strings);
    ebb_vec_free(&reader->types);
    ebb_vec_free(&reader->mappings);
    ebb_vec_free(&reader->functions);
    ebb_vec_free(&reader->lines);
    ebb_vec_free(&reader->locations);
    ebb_vec_free(&reader->comments);
    ebb_vec_free(&reader->mapping_ids);
    ebb_vec_free(&reader->function_ids);
    ebb_vec_free(&reader->location_ids);
    ebb_vec_free(&reader->line_functions);
    ebb_vec_free(&reader->location_mappings);
    ebb_vec_free(&reader->stack_start);
    ebb_vec_free(&reader->label_start);
    ebb_vec_free(&reader->stack);
    ebb_vec_free(&reader->values);
    ebb_vec_free(&reader->labels);
    ebb_vec_free(&reader->far_ids);
    ebb_index_free(&reader->far_index);
}

int ebb__pprof_read(struct ebb_window *window, struct ebb_profile **profile,
                    struct ebb_error *error)
{
    struct reader reader = {.name = window->source->name, .error = error};
    reader.profile = ebb__profile_new();
    int failed = 0;
    /* Arrays that are walked by offset are never NULL. */
    if (!reader.profile || ebb_vec_push(&reader.stack_start, 0) < 0 ||
        ebb_vec_push(&reader.label_start, 0) < 0 || ebb_vec_reserve(&reader.stack, 1) < 0 ||
        ebb_vec_reserve(&reader.values, 1) < 0 || ebb_vec_reserve(&reader.lines, 1) < 0)
        failed = out_of_memory(&reader);
    if (!failed)
        failed = read_fields(&reader, window);
    if (!failed)
        failed = link_all(&reader);
    if (!failed)
        failed = hand_over(&reader);
    if (!failed) {
        *profile = reader.profile;
        reader.profile = NULL;
    }
    free_reader(&reader);
    return failed;
}
