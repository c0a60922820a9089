/* Reads the texts that came before pprof's protobuf and that allocators and runtimes still write,
 * told apart by their first line:
 *
 *     heap profile: n: b [n: b] @ heap/2R          Go's debug=1
 *     heap profile: ... @ heap_v2/R, heapz_v2/R    tcmalloc's sampled heap
 *     heap profile: ... @ heapprofile              gperftools' HEAPPROFILE, every allocation
 * counted heap profile: ... @ growth, fragmentation    tcmalloc's address space by stack heap_v2/R
 * jemalloc
 *     --- contentionz, --- mutex:, --- contention: waiting for locks
 *     NAME profile: total n                        Go's goroutine and threadcreate, debug=1
 *
 * What is sampled is scaled to what it stands for: of blocks of size S, sampled every R bytes on
 * average, the share 1 - exp(-S/R) is seen (google/pprof scales so too). Addresses are return
 * addresses and become those of the calls, one less. Go's texts carry names in comments
 * (`#\t0xPC\tname+0xOFF \tfile:line`); they become the locations' lines. The numbers that Go's
 * runtime gives of itself at the end (`# NAME = VALUE` after `# runtime.MemStats`) become comments
 * "runtime.MemStats NAME = VALUE", and the time of the last collection, which is what a heap profile
 * is as of, the profile's time. */
#include "tool/profile/legacy.h"

#include "base/hash.h"
#include "tool/profile/room.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>

enum { MOST_VALUES = 4 };

enum kind { HEAP, JEMALLOC, CONTENTION, COUNT };

struct sample {
    uint64_t first_address;
    uint32_t depth;
    int64_t values[MOST_VALUES];
    int64_t block_size; /* 0: none */
};

struct symbol {
    uint64_t address;
    struct ebb_text function, file;
    int64_t line;
};

struct legacy {
    const char *name;
    struct ebb_error *error;
    struct ebb_text rest;
    size_t line_number;

    enum kind kind;
    struct ebb_text count_name; /* COUNT: what is counted */
    bool sampled;               /* values are to be scaled by `period` */
    bool has_alloc;             /* the numbers in brackets mean something */
    int64_t period, duration_ns;
    int64_t cycles_per_second; /* CONTENTION */

    struct address_vec EBB_VEC(uint64_t) addresses;
    struct sample_vec EBB_VEC(struct sample) samples;
    struct symbol_vec EBB_VEC(struct symbol) symbols;
    struct ebb_index symbol_index;
    bool in_stats; /* after `# runtime.MemStats` */
    struct stat_vec EBB_VEC(struct ebb_text) stats;
    int64_t time_ns;
    struct ebb_legacy_maps maps;
};

static int malformed(struct legacy *legacy, struct ebb_text line, const char *what)
{
    int length = line.end - line.at > 80 ? 80 : (int)(line.end - line.at);
    return ebb_error_set(legacy->error, -EBADMSG, "%s: line %zu: %s: %.*s", legacy->name,
                         legacy->line_number, what, length, line.at);
}

static int out_of_memory(struct legacy *legacy)
{
    return ebb_error_set(legacy->error, -ENOMEM, "%s: out of memory while reading", legacy->name);
}

static bool next_line(struct legacy *legacy, struct ebb_text *line)
{
    legacy->line_number++;
    return ebb_text_line(&legacy->rest, line);
}

static bool is_blank_or_comment(struct ebb_text line)
{
    return line.at == line.end || *line.at == '#';
}

/* ---- the first line ---- */

/* `n: b [n: b] @` */
struct counts {
    int64_t live_count, live_bytes, total_count, total_bytes;
};

static bool read_pair(struct ebb_text *text, int64_t *count, int64_t *bytes)
{
    ebb_text_blanks(text);
    if (!ebb_text_number(text, count) || !ebb_text_skip(text, ":"))
        return false;
    ebb_text_blanks(text);
    return ebb_text_number(text, bytes);
}

static bool read_counts(struct ebb_text *text, struct counts *counts)
{
    if (!read_pair(text, &counts->live_count, &counts->live_bytes))
        return false;
    ebb_text_blanks(text);
    if (!ebb_text_skip(text, "[") || !read_pair(text, &counts->total_count, &counts->total_bytes))
        return false;
    ebb_text_blanks(text);
    return ebb_text_skip(text, "]");
}

/* Whether the bracketed totals are more than a copy of the live ones, or nothing. */
static bool counts_allocations(const struct counts *counts)
{
    return (counts->total_count != counts->live_count && counts->total_count != 0) ||
           (counts->total_bytes != counts->live_bytes && counts->total_bytes != 0);
}

static bool read_rate(struct ebb_text text, int64_t *rate)
{
    *rate = 0;
    if (ebb_text_skip(&text, "/"))
        return ebb_text_number(&text, rate) && *rate >= 0;
    return true;
}

static bool is_heap_kind(struct legacy *legacy, struct ebb_text kind)
{
    if (ebb_text_skip(&kind, "heapprofile")) {
        legacy->period = 1;
        return true;
    }
    if (ebb_text_skip(&kind, "growth") || ebb_text_skip(&kind, "fragmentation")) {
        legacy->period = 1;
        legacy->has_alloc = false;
        return true;
    }
    legacy->sampled = true;
    if (ebb_text_skip(&kind, "heap_v2") || ebb_text_skip(&kind, "heapz_v2"))
        return read_rate(kind, &legacy->period);
    /* Go writes twice its rate. */
    bool known = ebb_text_skip(&kind, "heap") && read_rate(kind, &legacy->period);
    legacy->period /= 2;
    return known;
}

static const char stats_heading[] = "# runtime.MemStats";

static bool is_heap(struct legacy *legacy, struct ebb_text line)
{
    struct counts counts;
    legacy->kind = HEAP;
    if (!ebb_text_skip(&line, "heap profile:") || !read_counts(&line, &counts))
        return false;
    ebb_text_blanks(&line);
    if (!ebb_text_skip(&line, "@"))
        return false;
    ebb_text_blanks(&line);
    /* Go always counts allocations, also where all of them are still live. */
    legacy->has_alloc =
        counts_allocations(&counts) || ebb_text_contains(legacy->rest, stats_heading);
    return is_heap_kind(legacy, line);
}

static bool is_jemalloc(struct legacy *legacy, struct ebb_text line)
{
    legacy->kind = JEMALLOC;
    legacy->sampled = true;
    return ebb_text_skip(&line, "heap_v2/") && ebb_text_number(&line, &legacy->period) &&
           line.at == line.end;
}

static bool is_contention(struct legacy *legacy, struct ebb_text line)
{
    legacy->kind = CONTENTION;
    legacy->period = 1;
    return ebb_text_skip(&line, "--- contention") || ebb_text_skip(&line, "--- mutex:");
}

/* `goroutine profile: total 12` */
static bool is_count(struct legacy *legacy, struct ebb_text line)
{
    int64_t total;
    legacy->kind = COUNT;
    legacy->period = 1;
    legacy->count_name = (struct ebb_text){line.at, line.at};
    while (line.at < line.end && !isspace((unsigned char)*line.at))
        legacy->count_name.end = ++line.at;
    return legacy->count_name.end > legacy->count_name.at &&
           ebb_text_skip(&line, " profile: total ") && ebb_text_number(&line, &total) &&
           line.at == line.end;
}

static bool recognise(struct legacy *legacy, struct ebb_text line)
{
    static bool (*const kinds[])(struct legacy *, struct ebb_text) = {is_heap, is_jemalloc,
                                                                      is_contention, is_count};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        legacy->sampled = false;
        legacy->has_alloc = false;
        if (kinds[i](legacy, line))
            return true;
    }
    return false;
}

/* Takes lines up to the one that says what the file is. */
static bool read_first_line(struct legacy *legacy)
{
    struct ebb_text line;
    while (next_line(legacy, &line))
        if (!is_blank_or_comment(line))
            return recognise(legacy, line);
    return false;
}

bool ebb__legacy_recognised(const void *data, size_t size)
{
    struct legacy legacy = {.rest = {data, (const char *)data + size}};
    return read_first_line(&legacy);
}

/* ---- samples ---- */

static bool is_maps_heading(struct ebb_text line)
{
    return ebb_text_contains(line, "MAPPED_LIBRARIES:") ||
           ebb_text_contains(line, "--- Memory map: ---");
}

/* ` 0x1 0x2 ...` to the end of the line: the stack of a new sample. */
static int add_stack(struct legacy *legacy, struct ebb_text text, struct ebb_text line)
{
    struct sample sample = {.first_address = legacy->addresses.len};
    for (ebb_text_blanks(&text); ebb_text_skip(&text, "0x"); ebb_text_blanks(&text)) {
        uint64_t address;
        if (!ebb_text_hex(&text, &address))
            return malformed(legacy, line, "not a stack of addresses");
        if (ebb_vec_push(&legacy->addresses, address - 1) < 0)
            return out_of_memory(legacy);
        sample.depth++;
    }
    if (text.at != text.end)
        return malformed(legacy, line, "not a stack of addresses");
    return ebb_vec_push(&legacy->samples, sample) < 0 ? out_of_memory(legacy) : 0;
}

static int64_t scaled(int64_t value, double factor)
{
    double result = (double)value * factor;
    if (result >= 0x1p63)
        return INT64_MAX;
    return result > -0x1p63 ? (int64_t)result : INT64_MIN;
}

/* What `count` sampled blocks of `bytes` in all stand for; a rate of 0 or 1: no sampling. */
static void unsample(int64_t *count, int64_t *bytes, int64_t rate)
{
    if (*count == 0 || *bytes == 0) {
        *count = *bytes = 0;
    } else if (rate > 1) {
        double mean = (double)*bytes / (double)*count;
        double factor = 1 / (1 - exp(-mean / (double)rate));
        *count = scaled(*count, factor);
        *bytes = scaled(*bytes, factor);
    }
}

static bool set_values(const struct legacy *legacy, int64_t count, int64_t bytes, int64_t *values,
                       int64_t *block_size)
{
    if (count == 0 && bytes != 0)
        return false;
    if (count != 0) {
        *block_size = bytes == INT64_MIN ? 0 : bytes / count;
        if (legacy->sampled)
            unsample(&count, &bytes, legacy->period);
    }
    values[0] = count;
    values[1] = bytes;
    return true;
}

/* Sets a sample's values; false: they contradict themselves. */
static bool set_counts(const struct legacy *legacy, struct sample *sample,
                       const struct counts *counts)
{
    int64_t *values = sample->values;
    if (legacy->has_alloc) {
        if (!set_values(legacy, counts->total_count, counts->total_bytes, values,
                        &sample->block_size))
            return false;
        values += 2;
    }
    return set_values(legacy, counts->live_count, counts->live_bytes, values, &sample->block_size);
}

static int read_heap_sample(struct legacy *legacy, struct ebb_text line)
{
    struct counts counts;
    struct ebb_text text = line;
    if (!read_counts(&text, &counts))
        return malformed(legacy, line, "not a heap sample");
    ebb_text_blanks(&text);
    if (!ebb_text_skip(&text, "@"))
        return malformed(legacy, line, "not a heap sample");
    int failed = add_stack(legacy, text, line);
    if (failed)
        return failed;
    struct sample *sample = &legacy->samples.items[legacy->samples.len - 1];
    return set_counts(legacy, sample, &counts) ? 0
                                               : malformed(legacy, line, "bytes without objects");
}

/* jemalloc: `@ addresses`, then `t*: counts` for all threads and `tN: counts` for each. Counts
 * before the first stack are those of the whole file. */
static int read_jemalloc_line(struct legacy *legacy, struct ebb_text line)
{
    struct ebb_text text = line;
    struct counts counts;
    if (ebb_text_skip(&text, "@"))
        return add_stack(legacy, text, line);
    if (!ebb_text_skip(&text, "t*:")) {
        if (ebb_text_skip(&text, "t"))
            return 0;
        return malformed(legacy, line, "not a line of a jemalloc heap profile");
    }
    if (!read_counts(&text, &counts))
        return malformed(legacy, line, "not a heap sample");
    if (legacy->samples.len == 0) {
        legacy->has_alloc = counts_allocations(&counts);
        return 0;
    }
    struct sample *sample = &legacy->samples.items[legacy->samples.len - 1];
    return set_counts(legacy, sample, &counts) ? 0
                                               : malformed(legacy, line, "bytes without objects");
}

/* `name = number` before the samples of a contention profile; false: it is something else. */
static bool read_attribute(struct legacy *legacy, struct ebb_text line)
{
    const struct {
        const char *name;
        int64_t *value;
        int64_t unit;
    } attributes[] = {
        {"cycles/second", &legacy->cycles_per_second, 1},
        {"sampling period", &legacy->period, 1},
        {"ms since reset", &legacy->duration_ns, 1000000},
    };
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        struct ebb_text text = line;
        int64_t value;
        if (!ebb_text_skip(&text, attributes[i].name))
            continue;
        ebb_text_blanks(&text);
        if (!ebb_text_skip(&text, "="))
            continue;
        ebb_text_blanks(&text);
        return ebb_text_number(&text, &value) && value >= 0 &&
               !__builtin_mul_overflow(value, attributes[i].unit, attributes[i].value);
    }
    return ebb_text_contains(line, "=");
}

/* `cycles count @ addresses` */
static int read_contention_line(struct legacy *legacy, struct ebb_text line)
{
    struct ebb_text text = line;
    int64_t cycles, count;
    bool good = ebb_text_number(&text, &cycles);
    ebb_text_blanks(&text);
    good = good && ebb_text_number(&text, &count);
    ebb_text_blanks(&text);
    if (!good || !ebb_text_skip(&text, "@")) {
        if (legacy->samples.len == 0 && read_attribute(legacy, line))
            return 0;
        return malformed(legacy, line, "not a line of a contention profile");
    }
    int failed = add_stack(legacy, text, line);
    if (failed)
        return failed;
    struct sample *sample = &legacy->samples.items[legacy->samples.len - 1];
    sample->values[0] = count;
    sample->values[1] = cycles;
    if (legacy->period > 0) {
        sample->values[0] = (int64_t)((uint64_t)count * (uint64_t)legacy->period);
        if (legacy->cycles_per_second > 0)
            sample->values[1] =
                scaled(cycles, (double)legacy->period / ((double)legacy->cycles_per_second / 1e9));
    }
    return 0;
}

/* `count @ addresses` */
static int read_count_line(struct legacy *legacy, struct ebb_text line)
{
    struct ebb_text text = line;
    int64_t count;
    bool good = ebb_text_number(&text, &count);
    ebb_text_blanks(&text);
    if (!good || !ebb_text_skip(&text, "@"))
        return malformed(legacy, line, "not a sample");
    int failed = add_stack(legacy, text, line);
    if (!failed)
        legacy->samples.items[legacy->samples.len - 1].values[0] = count;
    return failed;
}

static uint32_t find_symbol(const struct legacy *legacy, uint64_t address)
{
    size_t probe = 0;
    uint32_t i;
    while ((i = ebb_index_probe(&legacy->symbol_index, ebb_mix64(address), &probe)) != EBB_NONE)
        if (legacy->symbols.items[i].address == address)
            break;
    return i;
}

/* The next tab-separated column. */
static struct ebb_text take_column(struct ebb_text *text)
{
    ebb_text_blanks(text);
    const char *tab = memchr(text->at, '\t', (size_t)(text->end - text->at));
    struct ebb_text column = {text->at, tab ? tab : text->end};
    text->at = column.end;
    return column;
}

static void cut_at_last(struct ebb_text *text, const char *mark)
{
    size_t length = strlen(mark);
    for (size_t left = (size_t)(text->end - text->at); left > length; left--)
        if (memcmp(text->at + left - length, mark, length) == 0) {
            text->end = text->at + left - length;
            return;
        }
}

/* `# NAME = NUMBER`; lists and pairs are left out. */
static int read_stat(struct legacy *legacy, struct ebb_text line)
{
    struct ebb_text stat = line, name;
    if (!ebb_text_skip(&stat, "# "))
        return 0;
    name = stat;
    while (stat.at < stat.end && isalnum((unsigned char)*stat.at))
        stat.at++;
    bool named = stat.at > name.at;
    struct ebb_text number = stat;
    if (!named || !ebb_text_skip(&number, " = ") || number.at == number.end ||
        !isdigit((unsigned char)*number.at) ||
        memchr(number.at, ' ', (size_t)(number.end - number.at)))
        return 0;
    if (ebb_text_skip(&name, "LastGC = "))
        ebb_text_number(&number, &legacy->time_ns);
    name.at = line.at + 2;
    return ebb_vec_push(&legacy->stats, name) < 0 ? out_of_memory(legacy) : 0;
}

/* `#\t0xPC\tname+0xOFFSET\tfile:line`, or the runtime's numbers; other comments say nothing to us. */
static int read_comment(struct legacy *legacy, struct ebb_text line)
{
    struct symbol symbol = {0};
    struct ebb_text heading = line;
    legacy->in_stats |= ebb_text_skip(&heading, stats_heading) && heading.at == heading.end;
    if (legacy->in_stats)
        return read_stat(legacy, line);
    if (!ebb_text_skip(&line, "#\t0x") || !ebb_text_hex(&line, &symbol.address))
        return 0;
    symbol.function = take_column(&line);
    symbol.file = take_column(&line);
    if (symbol.function.at == symbol.function.end || symbol.file.at == symbol.file.end ||
        find_symbol(legacy, symbol.address) != EBB_NONE)
        return 0;
    cut_at_last(&symbol.function, "+0x");
    struct ebb_text number = symbol.file;
    cut_at_last(&symbol.file, ":");
    number.at = symbol.file.end;
    if (ebb_text_skip(&number, ":"))
        ebb_text_number(&number, &symbol.line);
    if (legacy->symbols.len >= EBB_NONE - 1 || ebb_vec_push(&legacy->symbols, symbol) < 0 ||
        ebb_index_add(&legacy->symbol_index, ebb_mix64(symbol.address),
                      (uint32_t)(legacy->symbols.len - 1)) < 0)
        return out_of_memory(legacy);
    return 0;
}

/* Up to the list of mappings, or to another section. */
static int read_samples(struct legacy *legacy)
{
    static int (*const readers[])(struct legacy *, struct ebb_text) = {
        [HEAP] = read_heap_sample,
        [JEMALLOC] = read_jemalloc_line,
        [CONTENTION] = read_contention_line,
        [COUNT] = read_count_line,
    };
    struct ebb_text line;
    int failed = 0;
    while (!failed && next_line(legacy, &line)) {
        if (is_maps_heading(line))
            return 0;
        if (line.end - line.at >= 3 && memcmp(line.at, "---", 3) == 0 && legacy->kind != HEAP)
            break;
        failed = is_blank_or_comment(line) ? read_comment(legacy, line)
                                           : readers[legacy->kind](legacy, line);
    }
    while (!failed && next_line(legacy, &line) && !is_maps_heading(line))
        ;
    return failed;
}

/* ---- building ---- */

/* Functions that stand between a program and its allocator, or its lock; what pprof drops (names of
 * glibc, gperftools, libstdc++, macOS and Go). */
static const char allocator_functions[] =
    "(cfree|free|pvalloc|valloc|malloc|calloc|realloc|allocate|cpp_alloc|_M_allocate)"
    "|(do_)?memalign|(__)?posix_memalign|__libc_malloc"
    "|tc_(c?free|[cm]alloc|realloc|memalign|posix_memalign|p?valloc)"
    "|tc_(new|newarray)(_nothrow)?|tc_delete(array)?|tcmalloc::.*"
    "|malloc_zone_([cmv]alloc|realloc|memalign|free)"
    "|(::)?do_malloc(_no_errno|_pages)?|DoSampledAllocation"
    "|BaseArena::.*|MallocedMemBlock::MallocedMemBlock"
    "|__builtin_(vec_)?(new|delete)|operator new(\\[\\])?"
    "|(__gnu_cxx::new_allocator|__malloc_alloc_template|simple_alloc)::allocate"
    "|runtime\\..*";
static const char kept_functions[] = "runtime\\.(panic|reflectcall|call[0-9]*)";
static const char lock_functions[] =
    "(base::)?(RecordLockProfileData|SubmitMutexProfileData|SubmitSpinLockProfileData).*"
    "|((base::)?Mutex::)?(AwaitCommon|Unlock|UnlockSlow|ReaderUnlock).*"
    "|((base::)?MutexLock::)?~MutexLock.*"
    "|(SpinLock::)?(Unlock|SlowUnlock).*|(SpinLockHolder::)?~SpinLockHolder.*";
static const char profiler_functions[] =
    "ProfileData::(Add|prof_handler)|CpuProfiler::prof_handler|__pthread_sighandler|__restore";

struct building {
    const struct legacy *legacy;
    struct ebb_profile_builder *builder;
    struct ebb_arena arena; /* NUL-terminated copies */
    bool failed;            /* there was no memory for one */
};

static const char *terminated(struct building *building, struct ebb_text text)
{
    const char *copy = ebb_arena_strndup(&building->arena, text.at, (size_t)(text.end - text.at));
    building->failed |= !copy;
    return copy ? copy : "";
}

static void declare(struct building *building)
{
    const struct legacy *legacy = building->legacy;
    struct ebb_profile_builder *builder = building->builder;
    struct ebb_profile *header = ebb_profile_builder_header(builder);
    const char *period_type = "space", *period_unit = "bytes", *keep = "";
    const char *drop = allocator_functions;
    switch (legacy->kind) {
    case HEAP:
    case JEMALLOC:
        keep = kept_functions;
        if (legacy->has_alloc) {
            ebb_profile_builder_type(builder, "alloc_objects", "count");
            ebb_profile_builder_type(builder, "alloc_space", "bytes");
        }
        ebb_profile_builder_type(builder, legacy->has_alloc ? "inuse_objects" : "objects", "count");
        ebb_profile_builder_type(builder, legacy->has_alloc ? "inuse_space" : "space", "bytes");
        break;
    case CONTENTION:
        ebb_profile_builder_type(builder, "contentions", "count");
        ebb_profile_builder_type(builder, "delay", "nanoseconds");
        period_type = "contentions";
        period_unit = "count";
        drop = lock_functions;
        break;
    case COUNT:
        period_type = terminated(building, legacy->count_name);
        period_unit = "count";
        ebb_profile_builder_type(builder, period_type, period_unit);
        drop = profiler_functions;
        break;
    }
    header->period_type.type = ebb_profile_builder_string(builder, period_type);
    header->period_type.unit = ebb_profile_builder_string(builder, period_unit);
    header->period = legacy->period;
    header->duration_ns = legacy->duration_ns;
    header->time_ns = legacy->time_ns;
    header->drop_frames = ebb_profile_builder_string(builder, drop);
    header->keep_frames = ebb_profile_builder_string(builder, keep);
}

static void build_stat(struct building *building, struct ebb_text stat)
{
    const char *text = ebb_arena_printf(&building->arena, "%s %.*s", stats_heading + 2,
                                        (int)(stat.end - stat.at), stat.at);
    building->failed |= !text;
    if (text)
        ebb_profile_builder_comment(building->builder, text);
}

static void build_mapping(struct building *building, struct ebb_legacy_mapping *from)
{
    struct ebb_mapping mapping = {
        .start = from->start,
        .limit = from->limit,
        .offset = from->offset,
        .file = ebb_profile_builder_string(building->builder, terminated(building, from->file)),
        .build_id =
            ebb_profile_builder_string(building->builder, terminated(building, from->build_id)),
    };
    from->number = ebb_profile_builder_mapping(building->builder, &mapping);
}

static uint32_t build_location(struct building *building, uint64_t address, uint32_t mapping)
{
    const struct legacy *legacy = building->legacy;
    uint32_t found = find_symbol(legacy, address);
    if (found == EBB_NONE)
        return ebb_profile_builder_location(building->builder, mapping, address, NULL, 0);
    const struct symbol *symbol = &legacy->symbols.items[found];
    const char *name = terminated(building, symbol->function);
    struct ebb_line line = {
        .function = ebb_profile_builder_function(building->builder, name, name,
                                                 terminated(building, symbol->file), 0),
        .line = symbol->line,
    };
    return ebb_profile_builder_location(building->builder, mapping, address, &line, 1);
}

static int build_samples(struct legacy *legacy, struct building *building)
{
    struct stack_vec EBB_VEC(uint32_t) stack = {0};
    uint32_t bytes = ebb_profile_builder_string(building->builder, "bytes");
    int failed = 0;
    for (size_t i = 0; !failed && i < legacy->samples.len; i++) {
        const struct sample *sample = &legacy->samples.items[i];
        stack.len = 0;
        for (size_t d = 0; !failed && d < sample->depth; d++) {
            uint64_t address = legacy->addresses.items[sample->first_address + d];
            uint32_t mapping = address ? ebb_legacy_maps_find(&legacy->maps, address) : EBB_NONE;
            if (mapping != EBB_NONE)
                mapping = legacy->maps.items[mapping].number;
            failed = ebb_vec_push(&stack, build_location(building, address, mapping));
        }
        struct ebb_label label = {.key = bytes, .number = sample->block_size};
        if (!failed)
            ebb_profile_builder_sample(building->builder, stack.items, stack.len, sample->values,
                                       &label, sample->block_size != 0);
    }
    ebb_vec_free(&stack);
    return failed;
}

/* Finding an address can move the beginning of its mapping or add the unknown one, so all are asked
 * for before any mapping is built. */
static int build(struct legacy *legacy, struct building *building)
{
    declare(building);
    for (size_t i = 0; i < legacy->stats.len; i++)
        build_stat(building, legacy->stats.items[i]);
    for (size_t i = 0; i < legacy->addresses.len; i++)
        if (legacy->addresses.items[i] &&
            ebb_legacy_maps_find(&legacy->maps, legacy->addresses.items[i]) == EBB_NONE)
            return -ENOMEM;
    for (size_t i = 0; i < legacy->maps.len; i++)
        build_mapping(building, &legacy->maps.items[i]);
    return build_samples(legacy, building);
}

static int finish(struct legacy *legacy, struct ebb_profile **profile)
{
    struct building building = {.legacy = legacy, .builder = ebb_profile_builder_new()};
    if (!building.builder)
        return out_of_memory(legacy);
    int failed = build(legacy, &building);
    if (!failed && building.failed)
        failed = -ENOMEM;
    ebb_arena_free(&building.arena);
    if (!failed)
        return ebb_profile_builder_finish(building.builder, profile, legacy->error);
    ebb_profile_builder_abandon(building.builder);
    return out_of_memory(legacy);
}

int ebb__legacy_read(const void *data, size_t size, const char *name, struct ebb_profile **profile,
                     struct ebb_error *error)
{
    struct legacy legacy = {
        .name = name, .error = error, .rest = {data, (const char *)data + size}};
    int failed = read_first_line(&legacy)
                     ? read_samples(&legacy)
                     : ebb_error_set(error, -EBADMSG, "%s: not a profile", name);
    if (!failed && ebb_legacy_maps_read(&legacy.maps, legacy.rest) < 0)
        failed = out_of_memory(&legacy);
    if (!failed)
        failed = finish(&legacy, profile);
    ebb_vec_free(&legacy.addresses);
    ebb_vec_free(&legacy.samples);
    ebb_vec_free(&legacy.symbols);
    ebb_vec_free(&legacy.stats);
    ebb_index_free(&legacy.symbol_index);
    ebb_legacy_maps_free(&legacy.maps);
    return failed;
}
