/* See golang.h. The names are those of Go 1.19 to 1.26; the first rule that fits wins. */
#include "tool/diagnose/golang.h"

#include <stdlib.h>
#include <string.h>

enum { BASE_BYTES = 256 };

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool starts_with_any(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (starts(text, list[i]))
            return true;
    return false;
}

/* ---- containers ---- */

const struct ebb_container ebb_go_map = {
    "Go map",
    EBB_CONTAINER_MAP,
    false,
    "Delete an entry when it is done with: `delete(m, key)` where the session, request or key "
    "ends.",
    "If it is a cache, bound it: an LRU with a time to live, such as "
    "`expirable.NewLRU[K, V](10000, nil, 10*time.Minute)` of github.com/hashicorp/golang-lru/v2.",
    "No Go map ever shrinks: rebuild it, `m2 := make(map[K]V, len(m)); for k, v := range m { "
    "m2[k] = v }; m = m2`."};
const struct ebb_container ebb_go_sync_map = {
    "sync.Map",
    EBB_CONTAINER_MAP,
    false,
    "Delete an entry when it is done with: `m.Delete(key)`; a sync.Map has no length, so count "
    "beside it what goes in and out.",
    "If it is a cache, bound it: an LRU with a time to live behind a mutex, such as "
    "`expirable.NewLRU[K, V](10000, nil, 10*time.Minute)` of github.com/hashicorp/golang-lru/v2.",
    "Replace the whole map: keep an `atomic.Pointer[sync.Map]` and store a new one."};
const struct ebb_container ebb_go_pool = {
    "sync.Pool",
    EBB_CONTAINER_SEQUENCE,
    false,
    "Give each object back: `defer pool.Put(x)` right behind the Get().",
    "Let what a Get() returned not outlive the request: copy out of it what stays.",
    "The collector empties a pool by itself."};
const struct ebb_container ebb_go_slice = {
    "Go slice",
    EBB_CONTAINER_SEQUENCE,
    false,
    "Hand on what was handled and start again: `flush(s); clear(s); s = s[:0]`.",
    "Keep only the last N: write to a ring, `ring[i%len(ring)] = x`, or cut the front off into a "
    "new slice, `s = append([]T(nil), s[len(s)-n:]...)`; `s = s[1:]` alone keeps what it hides.",
    "s[:0] keeps the array: assign nil, or `slices.Clip(slices.Clone(s))`, to give it back."};
static const struct ebb_container go_buffer = {
    "bytes.Buffer",
    EBB_CONTAINER_SEQUENCE,
    false,
    "Write it out and start again: `b.WriteTo(w)`, or `b.Reset()` after each use.",
    "Stream instead: an `io.Writer` or a `bufio.Writer` of fixed size in its place.",
    "Reset() keeps the array: assign a new bytes.Buffer to give it back."};
static const struct ebb_container go_builder = {
    "strings.Builder",
    EBB_CONTAINER_SEQUENCE,
    false,
    "Write the text out in pieces and call Reset().",
    "Stream instead: a `bufio.Writer` of fixed size in its place.",
    "Reset() gives the array back."};
static const struct ebb_container go_list = {
    "container/list",
    EBB_CONTAINER_SEQUENCE,
    false,
    "Take elements off when they are handled: `l.Remove(l.Front())`.",
    "Bound it: `if l.Len() > n { l.Remove(l.Front()) }` behind each push.",
    "Elements go one by one; there is no array to shrink."};
static const struct ebb_container go_channel = {
    "Go channel",
    EBB_CONTAINER_SEQUENCE,
    false,
    "Let the senders end when nobody receives: `select { case ch <- x: case <-ctx.Done(): }`.",
    "Share one channel, or close and drop each when its work is done.",
    "A channel goes when nothing refers to it, goroutines that wait on it included."};
static const struct ebb_container go_module_map = {
    "a map of a library",
    EBB_CONTAINER_MAP,
    false,
    "Remove an entry when it is done with.",
    "Give it a capacity or a time to live when it is made; look for an option that was left out or "
    "is 0, which often means unbounded.",
    "Replace it with a new one after a mass delete."};

/* Modules whose business is to hold what they are given. */
static const char *const container_modules[] = {
    "github.com/hashicorp/golang-lru",   "github.com/patrickmn/go-cache",
    "github.com/dgraph-io/ristretto",    "github.com/allegro/bigcache",
    "github.com/coocood/freecache",      "github.com/karlseguin/ccache",
    "github.com/jellydator/ttlcache",    "github.com/maypok86/otter",
    "github.com/bluele/gcache",          "github.com/golang/groupcache/lru",
    "github.com/orcaman/concurrent-map", "github.com/puzpuzpuz/xsync",
    "github.com/alphadose/haxmap",       "github.com/cornelk/hashmap",
    "github.com/emirpasic/gods",         "github.com/elliotchance/orderedmap",
    "github.com/google/btree",           "github.com/tidwall/btree",
    "github.com/armon/go-radix"};

/* What a role says; PART is a table that is one of many, or a bucket that a table has overflown into.
 */
enum go_role { GO_ENTRY, GO_TABLE, GO_PART, GO_NEW };

struct rule {
    const char *prefix;
    const struct ebb_container *container;
    enum go_role role;
};

static const struct rule rules[] = {
    /* classic maps */
    {"runtime.makemap", &ebb_go_map, GO_NEW},
    {"runtime.hashGrow", &ebb_go_map, GO_TABLE},
    {"runtime.growWork", &ebb_go_map, GO_TABLE},
    {"runtime.evacuate", &ebb_go_map, GO_TABLE},
    {"runtime.makeBucketArray", &ebb_go_map, GO_TABLE},
    {"runtime.(*hmap).newoverflow", &ebb_go_map, GO_PART},
    {"runtime.(*hmap).createOverflow", &ebb_go_map, GO_PART},
    {"runtime.mapclear", &ebb_go_map, GO_TABLE},
    {"runtime.mapassign", &ebb_go_map, GO_ENTRY},
    /* Swiss maps: a map of up to eight entries is one group; then it has tables of up to 1024
     * slots, which double until they are that large and split from then on */
    {"internal/runtime/maps.NewMap", &ebb_go_map, GO_NEW},
    {"internal/runtime/maps.NewEmptyMap", &ebb_go_map, GO_NEW},
    {"internal/runtime/maps.(*Map).growToSmall", &ebb_go_map, GO_NEW},
    {"internal/runtime/maps.(*Map).growToTable", &ebb_go_map, GO_NEW},
    {"internal/runtime/maps.(*table).split", &ebb_go_map, GO_PART},
    {"internal/runtime/maps.(*Map).installTableSplit", &ebb_go_map, GO_PART},
    {"internal/runtime/maps.(*table).grow", &ebb_go_map, GO_TABLE},
    {"internal/runtime/maps.(*table).rehash", &ebb_go_map, GO_TABLE},
    {"internal/runtime/maps.", &ebb_go_map, GO_ENTRY},
    {"maps.Copy", &ebb_go_map, GO_ENTRY},
    {"maps.Clone", &ebb_go_map, GO_NEW},
    {"maps.clone", &ebb_go_map, GO_NEW},
    {"maps.Insert", &ebb_go_map, GO_ENTRY},
    {"maps.Collect", &ebb_go_map, GO_NEW},
    /* sync.Map: two classic maps until Go 1.23, a trie of hashes since */
    {"sync.(*Map).", &ebb_go_sync_map, GO_ENTRY},
    {"sync.newEntry", &ebb_go_sync_map, GO_ENTRY},
    {"internal/sync.(*HashTrieMap", &ebb_go_sync_map, GO_ENTRY},
    {"internal/sync.new", &ebb_go_sync_map, GO_ENTRY},
    {"internal/concurrent.(*HashTrieMap", &ebb_go_sync_map, GO_ENTRY},

    {"sync.(*Pool).Get", &ebb_go_pool, GO_NEW},
    {"sync.(*Pool).", &ebb_go_pool, GO_TABLE},
    {"sync.(*pool", &ebb_go_pool, GO_TABLE},

    {"bytes.growSlice", &go_buffer, GO_TABLE},
    {"bytes.(*Buffer).", &go_buffer, GO_TABLE},
    {"strings.(*Builder).", &go_builder, GO_TABLE},
    {"slices.Grow", &ebb_go_slice, GO_TABLE},
    {"slices.Insert", &ebb_go_slice, GO_TABLE},
    {"runtime.growslice", &ebb_go_slice, GO_TABLE},
    {"container/list.", &go_list, GO_ENTRY},
    {"container/heap.", &ebb_go_slice, GO_TABLE},
    {"runtime.makechan", &go_channel, GO_NEW},
};

static const struct rule *find_rule(const char *base)
{
    static const struct rule module = {"", &go_module_map, GO_ENTRY};
    for (size_t i = 0; i < COUNT(rules); i++)
        if (starts(base, rules[i].prefix))
            return &rules[i];
    return starts_with_any(base, container_modules, COUNT(container_modules)) ? &module : NULL;
}

/* ---- names ---- */

void ebb_go_base(const char *function, char *base, size_t size)
{
    size_t length = 0;
    int square = 0;
    for (const char *at = function; *at && length + 1 < size; at++) {
        square += *at == '[';
        if (square == 0)
            base[length++] = *at;
        square -= *at == ']' && square > 0;
    }
    base[length] = '\0';
}

size_t ebb_go_family(const char *function)
{
    size_t length = strlen(function);
    for (;;) {
        size_t cut = length;
        while (cut > 0 && function[cut - 1] >= '0' && function[cut - 1] <= '9')
            cut--;
        if (cut >= 5 && cut < length && memcmp(function + cut - 5, ".func", 5) == 0)
            length = cut - 5;
        else if (cut >= 7 && cut < length && memcmp(function + cut - 7, ".gowrap", 7) == 0)
            length = cut - 7;
        else if (cut >= 1 && cut < length && function[cut - 1] == '.')
            length = cut - 1; /* a closure in a closure: .func1.2 */
        else
            return length;
    }
}

/* ---- whose code ---- */

enum owner { OWNER_RUNTIME, OWNER_STANDARD, OWNER_CONTAINER, OWNER_DEPENDENCY, OWNER_USER };

/* Whether the import path in front of a name begins with a host, as a published module's does:
 * "go.uber.org/zap.New", but not "net.(*conn).Read". */
static bool is_published(const char *base)
{
    size_t first = strcspn(base, "/(");
    return base[first] == '/' && memchr(base, '.', first);
}

/* The first part of every import path of the standard library. A module's path has a dot there,
 * save one that is never published. */
static bool is_standard(const char *base)
{
    static const char *const roots[] = {
        "archive",  "bufio",   "bytes",  "cmp",      "compress", "container", "context", "crypto",
        "database", "debug",   "embed",  "encoding", "errors",   "expvar",    "flag",    "fmt",
        "go",       "hash",    "html",   "image",    "index",    "internal",  "io",      "iter",
        "log",      "maps",    "math",   "mime",     "net",      "os",        "path",    "plugin",
        "reflect",  "regexp",  "slices", "sort",     "strconv",  "strings",   "structs", "sync",
        "syscall",  "testing", "text",   "time",     "unicode",  "unique",    "vendor",  "weak",
        "unsafe",   "runtime", "type:"};
    size_t length = strcspn(base, "./");
    if (is_published(base)) /* go.etcd.io/etcd is not go/ast's neighbour */
        return false;
    for (size_t i = 0; i < COUNT(roots); i++)
        if (strlen(roots[i]) == length && memcmp(roots[i], base, length) == 0)
            return true;
    return false;
}

static bool is_dependency(const char *base, const char *file, const struct ebb_program *program)
{
    if (strstr(file, "/pkg/mod/") || strstr(file, "@v") || strstr(file, "/vendor/"))
        return true;
    if (program->module_length == 0 || !is_published(base))
        return false;
    return strncmp(base, program->module, program->module_length) != 0 ||
           !strchr("/.", base[program->module_length]);
}

/* Code that the compiler makes, and addresses without a name. */
static bool is_nobody(const char *base)
{
    return !*base || starts(base, "go:") || starts(base, "type..") ||
           (starts(base, "go.") && !is_published(base)) || starts(base, "0x") ||
           starts(base, "_cgo") || starts(base, "_rt0_") || strcmp(base, "goexit") == 0 ||
           strcmp(base, "gogo") == 0 || strcmp(base, "aeshashbody") == 0 ||
           strcmp(base, "memeqbody") == 0 || strcmp(base, "cmpbody") == 0 ||
           strcmp(base, "indexbytebody") == 0;
}

static enum owner owner_of(const char *base, const char *file, const struct ebb_program *program)
{
    if (starts(base, "runtime.") || starts(base, "internal/") || starts(base, "runtime/") ||
        is_nobody(base))
        return OWNER_RUNTIME;
    if (is_standard(base))
        return OWNER_STANDARD;
    if (starts_with_any(base, container_modules, COUNT(container_modules)))
        return OWNER_CONTAINER;
    return is_dependency(base, file, program) ? OWNER_DEPENDENCY : OWNER_USER;
}

/* "github.com/owner/name" of "github.com/owner/name/cmd/server"; for other hosts the first two
 * parts. */
static size_t module_length(const char *path)
{
    static const char *const forges[] = {"github.com/", "gitlab.com/", "bitbucket.org/"};
    int parts = starts_with_any(path, forges, COUNT(forges)) ? 3 : 2;
    size_t length = 0;
    for (int i = 0; i < parts && path[length]; i++)
        length += strcspn(path + length + (i > 0), "/") + (i > 0);
    const char *slash = strrchr(path, '/'); /* in front of the file */
    size_t most = slash ? (size_t)(slash - path) : 0;
    return length < most ? length : most;
}

struct ebb_program ebb_go_program(const struct ebb_evidence *evidence)
{
    struct ebb_program program = {.executable = evidence->executable, .go = true, .module = ""};
    for (size_t i = 0; i < evidence->stacks.len; i++) {
        const struct ebb_evidence_stack *stack = &evidence->stacks.items[i];
        for (size_t k = stack->depth; k-- > 0;) {
            const struct ebb_frame *frame = &stack->frames[k];
            if (!starts(frame->function, "main.") || !*frame->file)
                continue;
            /* Below a GOPATH, or as -trimpath writes it. */
            const char *source = strstr(frame->file, "/src/");
            const char *path = source ? source + 5 : frame->file;
            if (is_published(path)) {
                program.module = path;
                program.module_length = module_length(path);
            }
            return program;
        }
    }
    return program;
}

static enum owner owner_of_frame(const struct ebb_frame *frame, const struct ebb_program *program)
{
    char base[BASE_BYTES];
    ebb_go_base(frame->function, base, sizeof base);
    return owner_of(base, frame->file, program);
}

bool ebb_go_is_own(const struct ebb_frame *frame, const struct ebb_program *program)
{
    return owner_of_frame(frame, program) == OWNER_USER;
}

bool ebb_go_is_root(const struct ebb_frame *frame)
{
    return strcmp(frame->function, "main.main") == 0 ||
           strcmp(frame->function, "runtime.main") == 0 ||
           strcmp(frame->function, "runtime.goexit") == 0;
}

/* ---- stacks ---- */

bool ebb_go_is_visit(const struct ebb_evidence_stack *stack)
{
    static const char *const doors[] = {"net/http/pprof.", "runtime/pprof.", "runtime/trace."};
    for (size_t i = 0; i < stack->depth; i++)
        if (starts_with_any(stack->frames[i].function, doors, COUNT(doors)))
            return true;
    return false;
}

/* The deepest frame of the program's own module, or else of what it depends on, of a container's
 * module, of the standard library. */
static size_t find_site(const struct ebb_evidence_stack *stack, const struct ebb_program *program,
                        size_t from)
{
    for (enum owner wanted = OWNER_USER;; wanted--) {
        for (size_t i = from; i < stack->depth; i++)
            if (owner_of_frame(&stack->frames[i], program) == wanted)
                return i;
        if (wanted == OWNER_RUNTIME)
            return stack->depth - 1;
    }
}

/* What a pool's New function makes belongs to whoever called Get. The index of the Get, the stack's
 * depth when there is none. */
static size_t find_get(const struct ebb_evidence_stack *stack, size_t site)
{
    size_t get = site + 1;
    while (get < stack->depth && !starts(stack->frames[get].function, "sync.(*Pool).Get"))
        get++;
    return get;
}

static void see_container(struct ebb_place *place, const struct rule *rule)
{
    static const enum ebb_role roles[] = {[GO_ENTRY] = EBB_ROLE_NODE,
                                          [GO_TABLE] = EBB_ROLE_TABLE,
                                          [GO_PART] = EBB_ROLE_TABLE,
                                          [GO_NEW] = EBB_ROLE_CREATE};
    if (!place->container)
        place->container = rule->container;
    else if (rule->container->kind != place->container->kind)
        return; /* a buffer in a map's entry */
    enum ebb_role role = roles[rule->role];
    /* A sync.Map makes its inner maps anew as a matter of course. */
    if (place->container == &ebb_go_sync_map && role == EBB_ROLE_CREATE)
        role = EBB_ROLE_TABLE;
    if (role > place->role)
        place->role = role;
    place->part |= rule->role == GO_PART;
}

/* From the site towards the leaf. Maps that the standard library keeps for itself (headers, decoded
 * JSON) are its own business; what it writes into a buffer of the user's is not. */
static void find_container(const struct ebb_evidence_stack *stack, size_t site,
                           const struct ebb_program *program, struct ebb_place *place)
{
    bool through_library = false;
    for (size_t i = site; i-- > 0;) {
        char base[BASE_BYTES];
        ebb_go_base(stack->frames[i].function, base, sizeof base);
        const struct rule *rule = find_rule(base);
        enum owner owner = owner_of(base, stack->frames[i].file, program);
        if (!rule) {
            through_library |= owner == OWNER_STANDARD;
            continue;
        }
        bool buffer = rule->container == &go_buffer || rule->container == &go_builder;
        if (place->container || !through_library || buffer)
            see_container(place, rule);
    }
}

struct ebb_place ebb_go_place(const struct ebb_evidence_stack *stack,
                              const struct ebb_program *program)
{
    struct ebb_place place = {.site = find_site(stack, program, 0)};
    size_t get = find_get(stack, place.site);
    place.visit = ebb_go_is_visit(stack);
    place.nobody = owner_of_frame(&stack->frames[place.site], program) == OWNER_RUNTIME;
    place.exact = owner_of_frame(&stack->frames[0], program) == OWNER_RUNTIME;
    if (get + 1 < stack->depth) {
        place.site = find_site(stack, program, get + 1);
        place.container = &ebb_go_pool;
        place.role = EBB_ROLE_CREATE;
    } else {
        find_container(stack, place.site, program, &place);
    }
    char base[BASE_BYTES];
    ebb_go_base(stack->frames[place.site].function, base, sizeof base);
    ebb_place_read_words(&place, base);
    /* Guesses are for stacks that hide the runtime. */
    place.grow_word &= !place.exact;
    return place;
}

/* ---- labour ---- */

struct trade {
    const char *prefix;
    enum ebb_labour labour;
};

static const struct trade trades[] = {
    {"runtime.mapassign", EBB_LABOUR_INSERT},
    {"internal/runtime/maps.(*Map).PutSlot", EBB_LABOUR_INSERT},
    {"runtime.mapclear", EBB_LABOUR_CLEAR},
    {"internal/runtime/maps.(*Map).Clear", EBB_LABOUR_CLEAR},
    {"internal/runtime/maps.(*Map).clearS", EBB_LABOUR_CLEAR},
    {"internal/runtime/maps.(*table).Clear", EBB_LABOUR_CLEAR},
    {"reflect.mapclear", EBB_LABOUR_CLEAR},
    {"runtime.mapdelete", EBB_LABOUR_DELETE},
    {"internal/runtime/maps.(*Map).Delete", EBB_LABOUR_DELETE},
    {"internal/runtime/maps.(*table).Delete", EBB_LABOUR_DELETE},
    {"internal/runtime/maps.(*table).tombstones", EBB_LABOUR_DELETE},
    {"internal/runtime/maps.(*table).pruneTombstones", EBB_LABOUR_DELETE},
    {"runtime.mapiternext", EBB_LABOUR_ITERATE},
    {"runtime.mapiterinit", EBB_LABOUR_ITERATE_BEGIN},
    {"runtime.mapIterStart", EBB_LABOUR_ITERATE_BEGIN},
    {"runtime.mapIterNext", EBB_LABOUR_ITERATE},
    {"internal/runtime/maps.(*Iter).", EBB_LABOUR_ITERATE},
    {"sync.(*Map).Delete", EBB_LABOUR_SYNC_DELETE},
    {"sync.(*Map).LoadAndDelete", EBB_LABOUR_SYNC_DELETE},
    {"sync.(*Map).CompareAndDelete", EBB_LABOUR_SYNC_DELETE},
    {"internal/sync.(*HashTrieMap).LoadAndDelete", EBB_LABOUR_SYNC_DELETE},
    {"internal/sync.(*HashTrieMap).Delete", EBB_LABOUR_SYNC_DELETE},
    {"internal/sync.(*HashTrieMap).CompareAndDelete", EBB_LABOUR_SYNC_DELETE},
    {"sync.(*Map).Range", EBB_LABOUR_SYNC_ITERATE},
    {"internal/sync.(*HashTrieMap).Range", EBB_LABOUR_SYNC_ITERATE},
    {"internal/sync.(*HashTrieMap).All", EBB_LABOUR_SYNC_ITERATE},
    {"internal/sync.(*HashTrieMap).iter", EBB_LABOUR_SYNC_ITERATE},
    {"runtime.gcDrainMarkWorkerIdle", EBB_LABOUR_COLLECT_IDLE},
    {"runtime.gcAssistAlloc", EBB_LABOUR_COLLECT_ASSIST},
    {"runtime.gcBgMarkWorker", EBB_LABOUR_COLLECT},
    {"runtime.bgsweep", EBB_LABOUR_COLLECT},
    {"runtime.bgscavenge", EBB_LABOUR_COLLECT},
    {"runtime.gcStart", EBB_LABOUR_COLLECT},
    {"runtime.gcMarkTermination", EBB_LABOUR_COLLECT},
    {"runtime.gcMarkDone", EBB_LABOUR_COLLECT},
    {"runtime.deductSweepCredit", EBB_LABOUR_COLLECT_ASSIST},
};

/* The outermost labour below the site; a collector has no site. */
enum ebb_labour ebb_go_labour(const struct ebb_evidence_stack *stack, size_t site)
{
    enum ebb_labour labour = EBB_LABOUR_NONE;
    for (size_t i = stack->depth; i-- > 0;) {
        char base[BASE_BYTES];
        ebb_go_base(stack->frames[i].function, base, sizeof base);
        for (size_t k = 0; k < COUNT(trades); k++) {
            if (!starts(base, trades[k].prefix))
                continue;
            enum ebb_labour found = trades[k].labour;
            if (found >= EBB_LABOUR_COLLECT)
                labour = found; /* the innermost: idle workers and assists are special cases */
            else if (i < site && (labour == EBB_LABOUR_NONE || labour == EBB_LABOUR_SYNC_VISIT))
                labour = found;
            else if (i > site && found == EBB_LABOUR_SYNC_ITERATE && labour == EBB_LABOUR_NONE)
                labour = EBB_LABOUR_SYNC_VISIT;
            break;
        }
    }
    /* In a Swiss map it looks once per group of eight slots, and returns each entry in between. */
    bool iterates = labour == EBB_LABOUR_ITERATE || labour == EBB_LABOUR_ITERATE_BEGIN;
    if (iterates &&
        strcmp(stack->frames[0].function, "internal/runtime/maps.ctrlGroup.matchFull") == 0)
        return EBB_LABOUR_ITERATE_EMPTY;
    return labour;
}

bool ebb_go_visits_sync_map(const struct ebb_evidence_stack *stack, size_t site)
{
    for (size_t i = site + 1; i < stack->depth; i++) {
        char base[BASE_BYTES];
        ebb_go_base(stack->frames[i].function, base, sizeof base);
        for (size_t k = 0; k < COUNT(trades); k++)
            if (trades[k].labour == EBB_LABOUR_SYNC_ITERATE && starts(base, trades[k].prefix))
                return true;
    }
    return false;
}

const char *ebb_go_map_keys(const struct ebb_evidence_stack *stack, size_t site)
{
    static const char *const kinds[] = {"_faststr", "_fast64", "_fast32"};
    for (size_t i = site; i-- > 0;) {
        const char *name = stack->frames[i].function;
        if (starts(name, "sync.(*Map).") || starts(name, "internal/sync.(*HashTrieMap"))
            return EBB_GO_KEYS_SYNC;
        if (!starts(name, "runtime.map"))
            continue;
        for (size_t k = 0; k < COUNT(kinds); k++)
            if (strstr(name, kinds[k]))
                return kinds[k];
        return "";
    }
    return NULL;
}

/* ---- versions ---- */

int ebb_go_minor(const char *version)
{
    if (!starts(version, "go1."))
        return 0;
    long minor = strtol(version + 4, NULL, 10);
    return minor > 0 && minor < 1000 ? (int)minor : 0;
}
