/* Writes pprof protobuf (profile.proto), gzipped.
 *
 * Ids are indexes plus one. Messages are packed by protobuf-c from the compiled schema, a Profile
 * of up to BATCH items at a time: an encoded message may be cut between any two fields, so the
 * pieces, one after the other, are the encoding of the whole; no second copy of a large profile is
 * made. The fields come in the order of their numbers, as pprof writes them. */
#include "base/output_file.h"
#include "base/vec.h"
#include "tool/profile/profile.h"
#include "tool/profile/room.h"

#include "profile.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { BATCH = 512 };

/* Arrays are allocated with one item too many: of none at all there would be nothing to allocate,
 * which looks like running out of memory. */

struct writer {
    const struct ebb_profile *profile;
    int failed; /* 0 or -ENOMEM */
    z_stream deflater;
    struct byte_vec EBB_VEC(uint8_t) packed, out;
};

/* ---- bytes ---- */

static void deflate_packed(struct writer *writer, int flush)
{
    z_stream *deflater = &writer->deflater;
    deflater->next_in = writer->packed.items;
    deflater->avail_in = (unsigned)writer->packed.len;
    do {
        enum { STEP = 64 << 10 };
        if (writer->failed || ebb_vec_reserve(&writer->out, writer->out.len + STEP) < 0) {
            writer->failed = -ENOMEM;
            return;
        }
        deflater->next_out = writer->out.items + writer->out.len;
        deflater->avail_out = STEP;
        if (deflate(deflater, flush) == Z_STREAM_ERROR)
            writer->failed = -EINVAL;
        writer->out.len += STEP - deflater->avail_out;
    } while (deflater->avail_out == 0);
    writer->packed.len = 0;
}

static void write_piece(struct writer *writer, const Ebb__Pprof__Profile *piece)
{
    size_t size = ebb__pprof__profile__get_packed_size(piece);
    if (size == 0 || writer->failed)
        return;
    if (size > UINT_MAX || ebb_vec_reserve(&writer->packed, size) < 0) {
        writer->failed = -ENOMEM;
        return;
    }
    writer->packed.len = ebb__pprof__profile__pack(piece, writer->packed.items);
    deflate_packed(writer, Z_NO_FLUSH);
}

/* ---- the tables ---- */

static size_t batch_size(size_t begin, size_t count)
{
    return count - begin < BATCH ? count - begin : BATCH;
}

static void write_types(struct writer *writer)
{
    const struct ebb_profile *profile = writer->profile;
    for (size_t i = 0; i < profile->type_count; i++) {
        Ebb__Pprof__ValueType type = EBB__PPROF__VALUE_TYPE__INIT, *list = &type;
        type.type = profile->types[i].type;
        type.unit = profile->types[i].unit;
        Ebb__Pprof__Profile piece = EBB__PPROF__PROFILE__INIT;
        piece.n_sample_type = 1;
        piece.sample_type = &list;
        write_piece(writer, &piece);
    }
}

static void write_mappings(struct writer *writer)
{
    const struct ebb_profile *profile = writer->profile;
    for (size_t i = 0; i < profile->mapping_count; i++) {
        const struct ebb_mapping *from = &profile->mappings[i];
        Ebb__Pprof__Mapping mapping = EBB__PPROF__MAPPING__INIT, *list = &mapping;
        mapping.id = i + 1;
        mapping.memory_start = from->start;
        mapping.memory_limit = from->limit;
        mapping.file_offset = from->offset;
        mapping.filename = from->file;
        mapping.build_id = from->build_id;
        mapping.has_functions = from->has_functions;
        mapping.has_filenames = from->has_filenames;
        mapping.has_line_numbers = from->has_line_numbers;
        mapping.has_inline_frames = from->has_inline_frames;
        Ebb__Pprof__Profile piece = EBB__PPROF__PROFILE__INIT;
        piece.n_mapping = 1;
        piece.mapping = &list;
        write_piece(writer, &piece);
    }
}

static void write_location(struct writer *writer, size_t index, struct ebb_arena *arena)
{
    const struct ebb_location *from = &writer->profile->locations[index];
    Ebb__Pprof__Location location = EBB__PPROF__LOCATION__INIT, *list = &location;
    location.id = index + 1;
    location.mapping_id = from->mapping == EBB_NONE ? 0 : (uint64_t)from->mapping + 1;
    location.address = from->address;
    location.is_folded = from->folded;
    Ebb__Pprof__Line *lines = ebb_arena_zalloc(arena, from->line_count + 1, sizeof *lines);
    location.line = ebb_arena_zalloc(arena, from->line_count + 1, sizeof(void *));
    if (!lines || !location.line) {
        writer->failed = -ENOMEM;
        return;
    }
    location.n_line = from->line_count;
    for (size_t i = 0; i < from->line_count; i++) {
        const struct ebb_line *line = &writer->profile->lines[from->first_line + i];
        ebb__pprof__line__init(&lines[i]);
        lines[i].function_id = (uint64_t)line->function + 1;
        lines[i].line = line->line;
        location.line[i] = &lines[i];
    }
    Ebb__Pprof__Profile piece = EBB__PPROF__PROFILE__INIT;
    piece.n_location = 1;
    piece.location = &list;
    write_piece(writer, &piece);
}

static void write_locations(struct writer *writer)
{
    for (size_t i = 0; !writer->failed && i < writer->profile->location_count;) {
        struct ebb_arena arena = {0};
        for (size_t end = i + batch_size(i, writer->profile->location_count); i < end; i++)
            write_location(writer, i, &arena);
        ebb_arena_free(&arena);
    }
}

static void write_functions(struct writer *writer)
{
    const struct ebb_profile *profile = writer->profile;
    for (size_t i = 0; i < profile->function_count; i++) {
        const struct ebb_function *from = &profile->functions[i];
        Ebb__Pprof__Function function = EBB__PPROF__FUNCTION__INIT, *list = &function;
        function.id = i + 1;
        function.name = from->name;
        function.system_name = from->system_name;
        function.filename = from->file;
        function.start_line = from->start_line;
        Ebb__Pprof__Profile piece = EBB__PPROF__PROFILE__INIT;
        piece.n_function = 1;
        piece.function = &list;
        write_piece(writer, &piece);
    }
}

static void write_strings(struct writer *writer)
{
    const struct ebb_profile *profile = writer->profile;
    for (size_t i = 0; i < profile->string_count; i += BATCH) {
        Ebb__Pprof__Profile piece = EBB__PPROF__PROFILE__INIT;
        piece.n_string_table = batch_size(i, profile->string_count);
        piece.string_table = profile->strings + i;
        write_piece(writer, &piece);
    }
}

static void write_header(struct writer *writer)
{
    const struct ebb_profile *profile = writer->profile;
    Ebb__Pprof__Profile piece = EBB__PPROF__PROFILE__INIT;
    Ebb__Pprof__ValueType period_type = EBB__PPROF__VALUE_TYPE__INIT;
    period_type.type = profile->period_type.type;
    period_type.unit = profile->period_type.unit;
    if (period_type.type || period_type.unit)
        piece.period_type = &period_type;
    piece.drop_frames = profile->drop_frames;
    piece.keep_frames = profile->keep_frames;
    piece.time_nanos = profile->time_ns;
    piece.duration_nanos = profile->duration_ns;
    piece.period = profile->period;
    piece.default_sample_type = profile->default_type;
    piece.doc_url = profile->doc_url;
    write_piece(writer, &piece);
    for (size_t i = 0; i < profile->comment_count; i++) {
        int64_t comment = profile->comments[i];
        Ebb__Pprof__Profile with_comment = EBB__PPROF__PROFILE__INIT;
        with_comment.n_comment = 1;
        with_comment.comment = &comment;
        write_piece(writer, &with_comment);
    }
}

/* ---- samples ---- */

static int sample_labels(const struct ebb_profile *profile, size_t index,
                         Ebb__Pprof__Sample *sample, struct ebb_arena *arena)
{
    if (!profile->label_start)
        return 0;
    uint64_t begin = profile->label_start[index];
    size_t count = profile->label_start[index + 1] - begin;
    Ebb__Pprof__Label *labels = ebb_arena_zalloc(arena, count + 1, sizeof *labels);
    sample->label = ebb_arena_zalloc(arena, count + 1, sizeof(void *));
    if (!labels || !sample->label)
        return -ENOMEM;
    sample->n_label = count;
    for (size_t i = 0; i < count; i++) {
        const struct ebb_label *from = &profile->labels[begin + i];
        ebb__pprof__label__init(&labels[i]);
        labels[i].key = from->key;
        labels[i].str = from->text;
        labels[i].num = from->number;
        labels[i].num_unit = from->unit;
        sample->label[i] = &labels[i];
    }
    return 0;
}

static Ebb__Pprof__Sample *make_sample(const struct ebb_profile *profile, size_t index,
                                       struct ebb_arena *arena)
{
    uint64_t begin = profile->stack_start[index];
    size_t depth = profile->stack_start[index + 1] - begin;
    Ebb__Pprof__Sample *sample = ebb_arena_alloc(arena, sizeof *sample);
    uint64_t *ids = ebb_arena_zalloc(arena, depth + 1, sizeof *ids);
    if (!sample || !ids)
        return NULL;
    ebb__pprof__sample__init(sample);
    for (size_t i = 0; i < depth; i++)
        ids[i] = (uint64_t)profile->stack[begin + i] + 1;
    sample->n_location_id = depth;
    sample->location_id = ids;
    sample->n_value = profile->type_count;
    sample->value = profile->values + index * profile->type_count;
    return sample_labels(profile, index, sample, arena) == 0 ? sample : NULL;
}

static void write_samples(struct writer *writer)
{
    Ebb__Pprof__Sample *samples[BATCH];
    for (size_t i = 0; !writer->failed && i < writer->profile->sample_count;) {
        struct ebb_arena arena = {0};
        Ebb__Pprof__Profile piece = EBB__PPROF__PROFILE__INIT;
        piece.sample = samples;
        piece.n_sample = batch_size(i, writer->profile->sample_count);
        for (size_t s = 0; s < piece.n_sample; s++, i++)
            if (!(samples[s] = make_sample(writer->profile, i, &arena)))
                writer->failed = -ENOMEM;
        if (!writer->failed)
            write_piece(writer, &piece);
        ebb_arena_free(&arena);
    }
}

/* ---- the whole ---- */

int ebb_profile_encode(const struct ebb_profile *profile, void **data, size_t *size,
                       struct ebb_error *error)
{
    *data = NULL;
    *size = 0;
    struct writer writer = {.profile = profile};
    /* Fastest compression, as Go's own runtime writes its profiles. */
    enum { GZIP = 16, MEMORY_LEVEL = 8 };
    if (deflateInit2(&writer.deflater, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + GZIP, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return ebb_error_set(error, -ENOMEM, "out of memory while encoding a profile");
    write_types(&writer);
    write_samples(&writer);
    write_mappings(&writer);
    write_locations(&writer);
    write_functions(&writer);
    write_strings(&writer);
    write_header(&writer);
    deflate_packed(&writer, Z_FINISH);
    deflateEnd(&writer.deflater);
    ebb_vec_free(&writer.packed);
    if (writer.failed) {
        ebb_vec_free(&writer.out);
        return ebb_error_set(error, writer.failed, "out of memory while encoding a profile");
    }
    *data = writer.out.items;
    *size = writer.out.len;
    return 0;
}

/* ---- to a file ---- */

int ebb_profile_write_file(const struct ebb_profile *profile, const char *path,
                           struct ebb_error *error)
{
    void *data;
    size_t size;
    int failed = ebb_profile_encode(profile, &data, &size, error);
    if (failed)
        return failed;
    struct ebb_output_file file;
    failed = ebb_output_file_open(&file, path);
    if (!failed) {
        errno = 0;
        failed = fwrite(data, 1, size, file.stream) < size ? -errno : 0;
        failed = ebb_output_file_close(&file, failed);
    }
    free(data);
    if (failed)
        return ebb_error_set(error, failed, "%s: cannot write the profile: %s", path,
                             strerror(-failed));
    return 0;
}
