/* ebb ps: which processes publish, and which left a record behind.
 *
 * Listing is also tidying: a record whose process is gone and whose reader is done is removed, and
 * with --clear those that nobody read as well. */
#include "base/clock.h"
#include "base/vec.h"
#include "channel/reader.h"
#include "tool/collect/limits.h"
#include "tool/commands/command.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct process {
    struct ebb_identity identity;
    const char *state;
    bool done;
    double age_s;      /* so far, or from start to end */
    double live_bytes; /* by the samples, and Ebb maps' own pages; negative: not known */
    double rss_bytes;  /* negative: not known */
};

struct listing {
    bool clear; /* unread records of the dead, too */
    struct processes EBB_VEC(struct process) processes;
    size_t cleared;
    bool out_of_memory;
    struct ebb_snapshot snapshot; /* its buffers serve all records */
};

static double live_bytes(const struct ebb_snapshot *snapshot)
{
    double live = 0;
    for (size_t i = 0; i < snapshot->bucket_count; i++)
        live += (double)(snapshot->buckets[i].alloc_bytes - snapshot->buckets[i].free_bytes);
    for (size_t i = 0; i < snapshot->map_count; i++)
        live += (double)snapshot->maps[i].mapped_bytes;
    return live;
}

static const char *state_name(uint32_t state, bool alive)
{
    if (state == EBB_STATE_REPLACED)
        return "replaced";
    if (alive)
        return "running";
    return state == EBB_STATE_EXITED ? "exited" : "killed";
}

/* Reads what one record says. It may be gone by now, or damaged: then there is less to say. */
static void look_at(struct listing *listing, struct process *process, struct ebb_reader *reader,
                    bool alive)
{
    struct ebb_memory memory;
    struct ebb_snapshot *snapshot = &listing->snapshot;
    uint64_t end = ebb_clock_ns();
    process->state = state_name(EBB_STATE_RUNNING, alive);
    process->live_bytes = process->rss_bytes = -1;
    if (ebb_reader_snapshot(reader, snapshot, NULL) == 0) {
        process->state = state_name(snapshot->state, alive);
        process->live_bytes = live_bytes(snapshot);
        end = snapshot->taken_ns;
    }
    if (end > process->identity.started_ns)
        process->age_s = (double)(end - process->identity.started_ns) / 1e9;
    if (alive && ebb_memory_read(process->identity.pid, false, &memory) == 0 &&
        memory.rss != UINT64_MAX)
        process->rss_bytes = (double)memory.rss;
}

static int visit(void *context, const struct ebb_identity *identity, bool alive, bool done)
{
    struct listing *listing = context;
    struct process process = {.identity = *identity, .done = done};
    struct ebb_reader *reader;
    if (ebb_reader_open_path(identity->path, &reader, NULL) < 0)
        return 0;
    alive = alive && ebb_reader_alive(reader);
    if (!alive && (done || listing->clear)) {
        ebb_reader_remove(reader);
        listing->cleared++;
    } else {
        look_at(listing, &process, reader, alive);
        listing->out_of_memory = ebb_vec_push(&listing->processes, process) < 0;
    }
    ebb_reader_close(reader);
    return listing->out_of_memory;
}

/* --- as a table ------------------------------------------------------------------------------- */

/* The command line with spaces, cut to `width` bytes at a character's edge. */
static void format_command(const struct ebb_identity *identity, char *text, size_t width)
{
    size_t length = 0;
    const char *source = identity->command;
    size_t size = identity->command_size;
    if (size == 0 || source[0] == 0) {
        source = identity->executable;
        size = strlen(source);
    }
    while (size > 0 && source[size - 1] == 0)
        size--;
    for (; length < size && length < width; length++)
        text[length] = source[length] ? source[length] : ' ';
    if (length < size)
        while (length > 0 && ((unsigned char)source[length] & 0xc0) == 0x80)
            length--;
    text[length] = 0;
}

static const char *bytes_or_dash(double bytes, char buffer[static 16])
{
    return bytes < 0 ? "-" : ebb_format_bytes(bytes, buffer);
}

static size_t screen_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return EBB_CHANNEL_COMMAND_BYTES;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

static void print_table(const struct listing *listing)
{
    static const size_t before_command = 70;
    char age[24], live[16], rss[16], period[16], command[EBB_CHANNEL_COMMAND_BYTES + 1];
    size_t width = screen_width();
    if (listing->processes.len == 0) {
        puts("No process publishes. `ebb run -- CMD` starts one that does;\n"
             "`ebb doctor -- CMD` starts one and says what keeps its memory.");
        return;
    }
    printf("%7s  %-8s  %12s  %10s  %10s  %10s  %s\n", "PID", "STATE", "AGE", "LIVE", "RSS",
           "SAMPLE", "COMMAND");
    for (size_t i = 0; i < listing->processes.len; i++) {
        const struct process *process = &listing->processes.items[i];
        const struct ebb_identity *identity = &process->identity;
        size_t room = width > before_command + 20 ? width - before_command : 20;
        format_command(identity, command,
                       room < EBB_CHANNEL_COMMAND_BYTES ? room : EBB_CHANNEL_COMMAND_BYTES);
        printf("%7d  %-8s  %12s  %10s  %10s  %10s  %s\n", (int)identity->pid, process->state,
               ebb_format_duration(process->age_s, age), bytes_or_dash(process->live_bytes, live),
               bytes_or_dash(process->rss_bytes, rss),
               identity->period == 1 ? "all" : ebb_format_bytes((double)identity->period, period),
               command);
    }
}

/* --- as JSON ---------------------------------------------------------------------------------- */

static json_t *number_or_null(double bytes)
{
    return bytes < 0 ? json_null() : json_integer((json_int_t)bytes);
}

static json_t *arguments(const struct ebb_identity *identity)
{
    json_t *list = json_array();
    const char *at = identity->command, *end = at + identity->command_size;
    while (at < end) {
        size_t length = strnlen(at, (size_t)(end - at));
        json_array_append_new(list, json_stringn(at, length));
        at += length + 1;
    }
    return list;
}

static json_t *describe(const struct process *process)
{
    const struct ebb_identity *identity = &process->identity;
    return json_pack("{s:i, s:i, s:s, s:f, s:o, s:o, s:I, s:s, s:o, s:s}", "pid",
                     (int)identity->pid, "parent_pid", (int)identity->parent_pid, "state",
                     process->state, "age_s", process->age_s, "live_bytes",
                     number_or_null(process->live_bytes), "rss_bytes",
                     number_or_null(process->rss_bytes), "sample_bytes",
                     (json_int_t)identity->period, "executable", identity->executable, "command",
                     arguments(identity), "record", identity->path);
}

static int print_json(const struct listing *listing)
{
    json_t *list = json_array();
    for (size_t i = 0; i < listing->processes.len; i++)
        json_array_append_new(list, describe(&listing->processes.items[i]));
    json_t *object = json_pack("{s:i, s:o, s:I}", "schema", 1, "processes", list, "cleared",
                               (json_int_t)listing->cleared);
    int failed = !object || json_dumpf(object, stdout, JSON_INDENT(1)) < 0;
    putchar('\n');
    json_decref(object);
    return failed;
}

/* --- the command ------------------------------------------------------------------------------ */

static void print_help(void)
{
    puts("Lists the processes that publish, and the records that dead ones left, newest first.\n"
         "\n"
         "  ebb ps [--json] [--clear]\n"
         "\n"
         "  --json    one JSON object instead of the table\n"
         "  --clear   remove the records of dead processes, read or not\n"
         "\n"
         "LIVE is estimated from samples. A record stays after its process died, so that\n"
         "`ebb doctor PID` can still say why; once it was read it goes at the next `ebb ps`.");
}

static int run(int argc, char **argv)
{
    static const struct option known[] = {{"json", no_argument, NULL, 'j'},
                                          {"clear", no_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    struct listing listing = {0};
    bool json = false;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;)
        switch (option) {
        case 'j':
            json = true;
            break;
        case 'c':
            listing.clear = true;
            break;
        case 'h':
            print_help();
            return 0;
        default:
            return ebb_command_fail("ps", "%s: no such option; `ebb ps --help` lists them",
                                    argv[optind - 1]);
        }
    if (optind < argc)
        return ebb_command_fail("ps", "%s: it takes no arguments; `ebb ps --help` explains",
                                argv[optind]);
    int visited = ebb_reader_list(0, visit, &listing), failed = 0;
    if (visited < 0)
        failed = ebb_command_fail("ps", "%s: %s", EBB_CHANNEL_DIRECTORY, strerror(-visited));
    else if (listing.out_of_memory)
        failed = ebb_command_fail("ps", "out of memory");
    else if (json)
        failed = print_json(&listing) ? ebb_command_fail("ps", "out of memory") : 0;
    else
        print_table(&listing);
    if (listing.cleared)
        fprintf(stderr, "ebb ps: cleared %zu record%s of processes that are gone\n",
                listing.cleared, listing.cleared == 1 ? "" : "s");
    if (!failed && (fflush(stdout) != 0 || ferror(stdout)))
        failed = ebb_command_fail("ps", "standard output: %s", strerror(errno));
    ebb_snapshot_free(&listing.snapshot);
    ebb_vec_free(&listing.processes);
    return failed;
}

const struct ebb_command ebb_command_ps = {"ps", "Look", "which processes publish", run};
