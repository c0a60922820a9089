/* See names.h. Everything is tables: containers, the functions and headers that belong to them,
 * allocation wrappers, library modules. The first entry that fits wins. */
#include "tool/diagnose/names.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- containers ---- */

static const struct ebb_container glib_hash = {
    "GLib GHashTable",
    EBB_CONTAINER_MAP,
    false,
    "Call g_hash_table_remove() when an entry is no longer needed, and create the table with "
    "g_hash_table_new_full() and destroy functions, or keys and values outlive their removal.",
    "Bound it: when g_hash_table_size() passes a limit, drop the least recently used entry (keep a "
    "GQueue of keys in order of use).",
    "GHashTable shrinks by itself when entries are removed one by one or with "
    "g_hash_table_remove_all()."};
static const struct ebb_container ebb_map = {
    "Ebb map",
    EBB_CONTAINER_MAP,
    false,
    "Delete entries when they are done with; the map gives their memory back by itself.",
    "Bound it: ebb/nested_map.h takes a length, bytes and a time to live.",
    "It shrinks by itself, page by page; its _compact() does all of it now."};
static const struct ebb_container glib_tree = {
    "GLib GTree",
    EBB_CONTAINER_MAP,
    false,
    "Call g_tree_remove() when an entry is no longer needed, and create the tree with "
    "g_tree_new_full() and destroy functions.",
    "Bound it: when g_tree_nnodes() passes a limit, remove the oldest entry.",
    "Replace the tree: g_tree_unref() the old one."};
static const struct ebb_container glib_array = {
    "GLib GArray",
    EBB_CONTAINER_SEQUENCE,
    false,
    "Remove what was handled with g_array_remove_range() or g_ptr_array_remove_range().",
    "Keep only the last N elements: a GQueue with g_queue_pop_head() when it is full, or a ring.",
    "g_array_set_size(a, 0) keeps the memory; free the array and make a new one to give it back."};
static const struct ebb_container glib_list = {
    "GLib GList",
    EBB_CONTAINER_SEQUENCE,
    false,
    "Take elements off with g_queue_pop_head() or g_list_delete_link(), and free their data.",
    "Bound it: pop the oldest element when g_queue_get_length() passes a limit.",
    "g_list_free_full() with the data's free function."};
static const struct ebb_container stl_unordered_map = {
    "std::unordered_map",
    EBB_CONTAINER_MAP,
    false,
    "Call erase(key) when an entry is done with.",
    "Bound it: an LRU of fixed capacity (a std::list of keys in order of use beside the map, "
    "erase the last one when size() reaches the limit), or give entries a time to live.",
    "clear() and erase() keep the bucket array: swap with an empty map, "
    "`decltype(m)().swap(m)`, or call rehash(0)."};
static const struct ebb_container stl_map = {
    "std::map",
    EBB_CONTAINER_MAP,
    false,
    "Call erase(key), or erase(begin(), lower_bound(oldest)) for keys that age.",
    "Bound it: erase(begin()) when size() reaches a limit, or give entries a time to live.",
    "Nodes go one by one with erase() and clear(); there is no table to shrink."};
static const struct ebb_container stl_vector = {
    "std::vector",
    EBB_CONTAINER_SEQUENCE,
    false,
    "Drop handled elements: process in batches and clear() after each.",
    "Keep only the last N: a ring buffer of fixed size, or a std::deque with pop_front() when it "
    "is full.",
    "clear() keeps the capacity: clear() and then shrink_to_fit()."};
static const struct ebb_container stl_deque = {
    "std::deque",
    EBB_CONTAINER_SEQUENCE,
    false,
    "Call pop_front() for what was handled: the reader of this queue falls behind or is missing.",
    "Bound it: make the writer wait, or drop the oldest, when size() reaches a limit.",
    "shrink_to_fit() after it was drained."};
static const struct ebb_container stl_list = {
    "std::list",
    EBB_CONTAINER_SEQUENCE,
    false,
    "Call pop_front() or erase() for what was handled.",
    "Bound it: pop the oldest element when size() reaches a limit.",
    "Nodes go one by one; there is no buffer to shrink."};
static const struct ebb_container stl_string = {
    "std::string",
    EBB_CONTAINER_TEXT,
    false,
    "Write the text out in pieces and clear() the string.",
    "Flush when size() reaches a limit.",
    "clear() keeps the capacity: clear() and then shrink_to_fit()."};
static const struct ebb_container absl_map = {
    "Swiss table",
    EBB_CONTAINER_MAP,
    false,
    "Call erase(key) when an entry is done with.",
    "Bound it: an LRU of fixed capacity, or give entries a time to live.",
    "clear() keeps a large table in some versions: assign an empty map, `m = {}`."};
static const struct ebb_container khash = {
    "khash",
    EBB_CONTAINER_MAP,
    false,
    "Call kh_del() for entries that are done with, after freeing the key and the value: khash "
    "frees neither.",
    "Bound it: when kh_size() passes a limit, delete the oldest entry.",
    "kh_clear() keeps the table: kh_destroy() and kh_init() give it back."};
static const struct ebb_container redis_dict = {
    "Redis dict",
    EBB_CONTAINER_MAP,
    true,
    "Let keys expire: SET … EX seconds, or EXPIRE; look for writers that never set a time to live "
    "(`redis-cli --bigkeys`, OBJECT IDLETIME).",
    "Set `maxmemory` and `maxmemory-policy allkeys-lru` (or volatile-ttl), so that Redis evicts "
    "instead of growing.",
    "The server shrinks its table by itself after keys go; MEMORY PURGE gives pages back."};
static const struct ebb_container redis_list = {
    "Redis list",
    EBB_CONTAINER_SEQUENCE,
    true,
    "A consumer is missing or too slow: check LLEN of the lists that grow.",
    "Trim on write: LTRIM key 0 N after LPUSH; MAXLEN for streams; and set `maxmemory`.",
    "Deleting the key gives the list's memory back."};
static const struct ebb_container redis_rax = {
    "Redis radix tree",
    EBB_CONTAINER_MAP,
    true,
    "Trim streams with XTRIM, and acknowledge entries with XACK.",
    "Use XADD … MAXLEN ~ N, and set `maxmemory`.",
    "Deleting the key gives the tree's memory back."};
static const struct ebb_container cpython_dict = {
    "CPython dict",
    EBB_CONTAINER_MAP,
    true,
    "Delete keys that are done with (`del d[key]`, `d.pop(key, None)`); look at module-level dicts "
    "and class attributes first: nothing else lives as long.",
    "Bound it: functools.lru_cache(maxsize=…) instead of a hand-made cache, cachetools.TTLCache or "
    "LRUCache, or weakref.WeakValueDictionary when the values live elsewhere.",
    "A dict never shrinks on delete: build a new one, `d = dict(d)`, after a mass delete."};
static const struct ebb_container cpython_list = {
    "CPython list",
    EBB_CONTAINER_SEQUENCE,
    true,
    "Consume what is appended; look at module-level lists first: nothing else lives as long.",
    "Keep only the last N: collections.deque(maxlen=N).",
    "`del l[:]` gives the buffer back."};
static const struct ebb_container lua_table = {
    "Lua table",
    EBB_CONTAINER_MAP,
    true,
    "Assign nil to keys that are done with.",
    "Bound it, or make it weak: setmetatable(t, {__mode = 'v'}) lets the collector drop entries.",
    "A Lua table shrinks only when it is next rehashed by an insert: replace it with a new one."};

/* ---- which function belongs to which container ---- */

enum match { PREFIX, WORD, INSIDE };

struct rule {
    enum match match;
    const char *text;
    const struct ebb_container *container;
    enum ebb_role role;
    const char *program; /* only in executables or modules whose name holds this; NULL: anywhere */
};

/* The first rule that fits wins. */
static const struct rule rules[] = {
    {PREFIX, "g_hash_table_new", &glib_hash, EBB_ROLE_CREATE, NULL},
    {PREFIX, "g_hash_table_resize", &glib_hash, EBB_ROLE_TABLE, NULL},
    {PREFIX, "g_hash_table_maybe_resize", &glib_hash, EBB_ROLE_TABLE, NULL},
    {PREFIX, "g_hash_table_realloc", &glib_hash, EBB_ROLE_TABLE, NULL},
    {PREFIX, "g_hash_table_setup_storage", &glib_hash, EBB_ROLE_TABLE, NULL},
    {PREFIX, "g_hash_table_", &glib_hash, EBB_ROLE_NODE, NULL},
    {PREFIX, "g_datalist_", &glib_hash, EBB_ROLE_NODE, NULL},
    {PREFIX, "ebb__grow_", &ebb_map, EBB_ROLE_TABLE, NULL},
    {PREFIX, "ebb__table_make_room", &ebb_map, EBB_ROLE_TABLE, NULL},
    {PREFIX, "ebb__", &ebb_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "g_tree_new", &glib_tree, EBB_ROLE_CREATE, NULL},
    {PREFIX, "g_tree_", &glib_tree, EBB_ROLE_NODE, NULL},
    {PREFIX, "g_sequence_", &glib_tree, EBB_ROLE_NODE, NULL},
    {PREFIX, "g_array_", &glib_array, EBB_ROLE_TABLE, NULL},
    {PREFIX, "g_ptr_array_", &glib_array, EBB_ROLE_TABLE, NULL},
    {PREFIX, "g_byte_array_", &glib_array, EBB_ROLE_TABLE, NULL},
    {PREFIX, "g_string_", &glib_array, EBB_ROLE_TABLE, NULL},
    {PREFIX, "g_list_", &glib_list, EBB_ROLE_NODE, NULL},
    {PREFIX, "g_slist_", &glib_list, EBB_ROLE_NODE, NULL},
    {PREFIX, "g_queue_", &glib_list, EBB_ROLE_NODE, NULL},
    {PREFIX, "g_async_queue_", &glib_list, EBB_ROLE_NODE, NULL},

    {PREFIX, "std::_Hashtable::_M_rehash", &stl_unordered_map, EBB_ROLE_TABLE, NULL},
    {PREFIX, "std::_Hashtable::_M_allocate_buckets", &stl_unordered_map, EBB_ROLE_TABLE, NULL},
    {PREFIX, "std::__detail::_Hashtable_alloc::_M_allocate_buckets", &stl_unordered_map,
     EBB_ROLE_TABLE, NULL},
    {PREFIX, "std::_Hashtable", &stl_unordered_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__detail::_Hashtable", &stl_unordered_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__detail::_Map_base", &stl_unordered_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__detail::_Insert", &stl_unordered_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__detail::_ReuseOrAllocNode", &stl_unordered_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::unordered_", &stl_unordered_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__1::__hash_table::__rehash", &stl_unordered_map, EBB_ROLE_TABLE, NULL},
    {PREFIX, "std::__1::__hash_table::__do_rehash", &stl_unordered_map, EBB_ROLE_TABLE, NULL},
    {PREFIX, "std::__1::__hash_table", &stl_unordered_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__1::unordered_", &stl_unordered_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::_Rb_tree", &stl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::map::", &stl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::set::", &stl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::multimap::", &stl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::multiset::", &stl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__1::__tree", &stl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__1::map::", &stl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__1::set::", &stl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::vector::", &stl_vector, EBB_ROLE_TABLE, NULL},
    {PREFIX, "std::_Vector_base", &stl_vector, EBB_ROLE_TABLE, NULL},
    {PREFIX, "std::__1::vector::", &stl_vector, EBB_ROLE_TABLE, NULL},
    {PREFIX, "std::__1::__split_buffer", &stl_vector, EBB_ROLE_TABLE, NULL},
    {PREFIX, "std::deque::", &stl_deque, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::_Deque_base", &stl_deque, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::queue::", &stl_deque, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__1::deque::", &stl_deque, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::list::", &stl_list, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::_List_base", &stl_list, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__cxx11::list::", &stl_list, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__cxx11::_List_base", &stl_list, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__1::list::", &stl_list, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__cxx11::basic_string", &stl_string, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::__1::basic_string", &stl_string, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::basic_string", &stl_string, EBB_ROLE_NODE, NULL},
    {PREFIX, "std::string::", &stl_string, EBB_ROLE_NODE, NULL},

    {INSIDE, "container_internal::raw_hash_set::resize", &absl_map, EBB_ROLE_TABLE, NULL},
    {INSIDE, "container_internal::raw_hash_set", &absl_map, EBB_ROLE_NODE, NULL},
    {INSIDE, "container_internal::raw_hash_map", &absl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "absl::flat_hash_", &absl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "folly::f14", &absl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "boost::unordered", &absl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "ankerl::unordered_dense", &absl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "tsl::", &absl_map, EBB_ROLE_NODE, NULL},
    {PREFIX, "phmap::", &absl_map, EBB_ROLE_NODE, NULL},

    {PREFIX, "kh_resize_", &khash, EBB_ROLE_TABLE, NULL},
    {PREFIX, "kh_init_", &khash, EBB_ROLE_CREATE, NULL},
    {PREFIX, "kh_put_", &khash, EBB_ROLE_NODE, NULL},

    {WORD, "dictCreate", &redis_dict, EBB_ROLE_CREATE, NULL},
    {INSIDE, "dictExpand", &redis_dict, EBB_ROLE_TABLE, NULL},
    {INSIDE, "dictTryExpand", &redis_dict, EBB_ROLE_TABLE, NULL},
    {INSIDE, "dictResize", &redis_dict, EBB_ROLE_TABLE, NULL},
    {INSIDE, "dictAdd", &redis_dict, EBB_ROLE_NODE, NULL},
    {INSIDE, "dictInsert", &redis_dict, EBB_ROLE_NODE, NULL},
    {WORD, "dictReplace", &redis_dict, EBB_ROLE_NODE, NULL},
    {WORD, "dictFind", &redis_dict, EBB_ROLE_NODE, NULL},
    {WORD, "dictSetKey", &redis_dict, EBB_ROLE_NODE, NULL},
    {WORD, "_dictRehashStep", &redis_dict, EBB_ROLE_TABLE, NULL},
    {PREFIX, "kvstoreDict", &redis_dict, EBB_ROLE_NODE, NULL},
    {PREFIX, "hashtableAdd", &redis_dict, EBB_ROLE_NODE, "valkey"},
    {PREFIX, "hashtableInsert", &redis_dict, EBB_ROLE_NODE, "valkey"},
    {PREFIX, "quicklist", &redis_list, EBB_ROLE_NODE, NULL},
    {PREFIX, "raxInsert", &redis_rax, EBB_ROLE_NODE, NULL},
    {PREFIX, "raxGenericInsert", &redis_rax, EBB_ROLE_NODE, NULL},
    {PREFIX, "raxTryInsert", &redis_rax, EBB_ROLE_NODE, NULL},
    {PREFIX, "raxNew", &redis_rax, EBB_ROLE_CREATE, NULL},

    {WORD, "dictresize", &cpython_dict, EBB_ROLE_TABLE, "python"},
    {WORD, "insertion_resize", &cpython_dict, EBB_ROLE_TABLE, "python"},
    {PREFIX, "new_keys_object", &cpython_dict, EBB_ROLE_TABLE, "python"},
    {PREFIX, "insertdict", &cpython_dict, EBB_ROLE_TABLE, "python"},
    {PREFIX, "PyDict_New", &cpython_dict, EBB_ROLE_CREATE, "python"},
    {PREFIX, "PyDict_", &cpython_dict, EBB_ROLE_TABLE, "python"},
    {PREFIX, "_PyDict_", &cpython_dict, EBB_ROLE_TABLE, "python"},
    {PREFIX, "PySet_", &cpython_dict, EBB_ROLE_TABLE, "python"},
    {WORD, "list_resize", &cpython_list, EBB_ROLE_TABLE, "python"},
    {PREFIX, "PyList_", &cpython_list, EBB_ROLE_TABLE, "python"},
    {PREFIX, "_PyList_", &cpython_list, EBB_ROLE_TABLE, "python"},

    {PREFIX, "luaH_resize", &lua_table, EBB_ROLE_TABLE, NULL},
    {PREFIX, "luaH_newkey", &lua_table, EBB_ROLE_TABLE, NULL},
    {PREFIX, "luaH_set", &lua_table, EBB_ROLE_TABLE, NULL},
    {PREFIX, "luaH_new", &lua_table, EBB_ROLE_CREATE, NULL},
};

/* Inlined functions may come without their class: then the header they stand in tells, below a
 * folder of the C++ library. */
static const struct {
    const char *header;
    const struct ebb_container *container;
} headers[] = {{"hashtable.h", &stl_unordered_map},
               {"hashtable_policy.h", &stl_unordered_map},
               {"unordered_map.h", &stl_unordered_map},
               {"unordered_set.h", &stl_unordered_map},
               {"unordered_map", &stl_unordered_map},
               {"unordered_set", &stl_unordered_map},
               {"__hash_table", &stl_unordered_map},
               {"stl_tree.h", &stl_map},
               {"stl_map.h", &stl_map},
               {"stl_set.h", &stl_map},
               {"map", &stl_map},
               {"set", &stl_map},
               {"__tree", &stl_map},
               {"stl_vector.h", &stl_vector},
               {"vector.tcc", &stl_vector},
               {"vector", &stl_vector},
               {"__split_buffer", &stl_vector},
               {"stl_deque.h", &stl_deque},
               {"deque.tcc", &stl_deque},
               {"deque", &stl_deque},
               {"stl_list.h", &stl_list},
               {"list.tcc", &stl_list},
               {"list", &stl_list},
               {"basic_string.h", &stl_string},
               {"basic_string.tcc", &stl_string},
               {"string", &stl_string}};

/* ---- allocation wrappers: they allocate on behalf of whoever calls them ---- */

static const char *const wrapper_words[] = {"malloc",
                                            "calloc",
                                            "realloc",
                                            "reallocf",
                                            "reallocarray",
                                            "memalign",
                                            "aligned_alloc",
                                            "posix_memalign",
                                            "valloc",
                                            "pvalloc",
                                            "strdup",
                                            "strndup",
                                            "wcsdup",
                                            "asprintf",
                                            "vasprintf",
                                            "operator new",
                                            "operator new[]",
                                            "operator delete",
                                            "mmap",
                                            "mmap64",
                                            "mremap",
                                            "getline",
                                            "getdelim",
                                            "open_memstream",
                                            "xmalloc",
                                            "xcalloc",
                                            "xrealloc",
                                            "xzalloc",
                                            "xstrdup",
                                            "xstrndup",
                                            "xmemdup",
                                            "xasprintf",
                                            "xnmalloc",
                                            "xcharalloc",
                                            "xmallocarray",
                                            "xreallocarray",
                                            "xpalloc",
                                            "safe_malloc",
                                            "safe_calloc",
                                            "safe_realloc",
                                            "emalloc",
                                            "ecalloc",
                                            "erealloc",
                                            "estrdup",
                                            "smalloc",
                                            "must_malloc",
                                            "checked_malloc",
                                            "check_malloc",
                                            "memdup",
                                            "g_malloc",
                                            "g_malloc0",
                                            "g_malloc_n",
                                            "g_malloc0_n",
                                            "g_realloc",
                                            "g_realloc_n",
                                            "g_try_malloc",
                                            "g_try_malloc0",
                                            "g_try_realloc",
                                            "g_strdup",
                                            "g_strndup",
                                            "g_strconcat",
                                            "g_strdup_printf",
                                            "g_strdup_vprintf",
                                            "g_vasprintf",
                                            "g_strjoin",
                                            "g_memdup",
                                            "g_memdup2",
                                            "g_slice_alloc",
                                            "g_slice_alloc0",
                                            "g_slice_copy",
                                            "g_bytes_new",
                                            "zmalloc",
                                            "zcalloc",
                                            "zrealloc",
                                            "ztrymalloc",
                                            "ztrycalloc",
                                            "ztryrealloc",
                                            "zstrdup",
                                            "zmalloc_usable",
                                            "zcalloc_usable",
                                            "zrealloc_usable",
                                            "ztrymalloc_usable",
                                            "ztrycalloc_usable",
                                            "ztryrealloc_usable",
                                            "extend_to_usable",
                                            "je_malloc",
                                            "je_calloc",
                                            "je_realloc",
                                            "tc_malloc",
                                            "mi_malloc",
                                            "mi_calloc",
                                            "mi_realloc",
                                            "mallocx",
                                            "rallocx",
                                            "je_mallocx",
                                            "je_rallocx",
                                            "apr_palloc",
                                            "apr_pcalloc",
                                            "apr_pstrdup",
                                            "apr_allocator_alloc",
                                            "apr_pool_create_ex",
                                            "ngx_alloc",
                                            "ngx_calloc",
                                            "ngx_palloc",
                                            "ngx_pcalloc",
                                            "ngx_pnalloc",
                                            "ngx_memalign",
                                            "ngx_palloc_large",
                                            "ngx_palloc_block",
                                            "ngx_create_pool",
                                            "ngx_palloc_small",
                                            "OPENSSL_malloc",
                                            "CRYPTO_malloc",
                                            "CRYPTO_zalloc",
                                            "CRYPTO_realloc",
                                            "CRYPTO_strdup",
                                            "sqlite3_malloc",
                                            "sqlite3Malloc",
                                            "sqlite3MemMalloc",
                                            "sqlite3_malloc64",
                                            "sqlite3_realloc",
                                            "sqlite3Realloc",
                                            "sqlite3DbMallocRaw",
                                            "palloc",
                                            "palloc0",
                                            "MemoryContextAlloc",
                                            "AllocSetAlloc",
                                            "allocate",
                                            "_M_allocate",
                                            "PyMem_Malloc",
                                            "PyMem_Calloc",
                                            "PyMem_Realloc",
                                            "PyMem_RawMalloc",
                                            "PyMem_RawCalloc",
                                            "PyMem_RawRealloc",
                                            "PyObject_Malloc",
                                            "PyObject_Calloc",
                                            "PyObject_Realloc",
                                            "_PyObject_Malloc",
                                            "_PyMem_RawMalloc",
                                            "_PyMem_RawCalloc",
                                            "_PyMem_RawRealloc",
                                            "_PyObject_ArenaMmap",
                                            "_PyObject_Alloc",
                                            "pymalloc_alloc",
                                            "new_arena",
                                            "PyType_GenericAlloc",
                                            "_PyObject_GC_New",
                                            "_PyObject_GC_NewVar",
                                            "_PyObject_GC_Malloc",
                                            "_PyObject_New",
                                            "_PyObject_NewVar",
                                            "PyObject_Init",
                                            "l_alloc"};

static const char *const wrapper_prefixes[] = {"__libc_",
                                               "__interceptor_",
                                               "std::allocator",
                                               "std::__new_allocator",
                                               "__gnu_cxx::",
                                               "std::__1::allocator",
                                               "std::allocator_traits",
                                               "std::__1::__libcpp_allocate",
                                               "std::__1::allocator_traits",
                                               "std::__allocate_guarded",
                                               "std::pmr::",
                                               "luaM_",
                                               "_sdsnewlen",
                                               "sdsnew",
                                               "sdsdup",
                                               "sdstrynew",
                                               "sdscat",
                                               "sdsMakeRoom",
                                               "_sdsMakeRoom",
                                               "_PyObject_Arena",
                                               "_PyMem_"};

/* `node_alloc`, `pool_strdup`: a user's own wrapper, when its name ends so. */
static const char *const wrapper_endings[] = {
    "_malloc", "_calloc",   "_realloc", "_zalloc", "_alloc",  "_strdup", "_strndup",
    "_memdup", "_asprintf", "Malloc",   "Calloc",  "Realloc", "Alloc"};

/* ---- library modules ---- */

/* By the start of the file's name. Never the user's code, wherever they are installed. */
static const char *const runtime_modules[] = {
    "libc.so",     "libc-2",       "ld-linux",  "ld-2",         "ld-musl",     "libpthread",
    "libm.so",     "libdl.so",     "librt.so",  "libstdc++",    "libc++",      "libgcc_s",
    "libglib-2",   "libgobject-2", "libgio-2",  "libgmodule-2", "libjemalloc", "libtcmalloc",
    "libmimalloc", "libebb-agent", "libebb.so", "libasan",      "libubsan",    "libtsan",
    "linux-vdso",  "[vdso]",       "libunwind", "libuv.so",     "libevent"};

static const char *const allocator_modules[] = {"libc.so",     "libc-2",     "ld-linux",
                                                "ld-2",        "ld-musl",    "libjemalloc",
                                                "libtcmalloc", "libmimalloc"};

static const char *const system_folders[] = {"/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/",
                                             "/usr/local/lib/"};

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *with)
{
    size_t length = strlen(text), tail = strlen(with);
    return length > tail && strcmp(text + length - tail, with) == 0;
}

static bool starts_with_any(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (starts(text, list[i]))
            return true;
    return false;
}

/* ---- questions ---- */

const char *ebb_file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool ebb_name_is_wrapper(const char *base)
{
    for (size_t i = 0; i < COUNT(wrapper_words); i++)
        if (strcmp(base, wrapper_words[i]) == 0)
            return true;
    if (starts_with_any(base, wrapper_prefixes, COUNT(wrapper_prefixes)))
        return true;
    for (size_t i = 0; i < COUNT(wrapper_endings); i++)
        if (ends(base, wrapper_endings[i]))
            return true;
    return false;
}

bool ebb_module_is_runtime(const char *module)
{
    return starts_with_any(ebb_file_name(module), runtime_modules, COUNT(runtime_modules));
}

bool ebb_module_is_allocator(const char *module)
{
    return starts_with_any(ebb_file_name(module), allocator_modules, COUNT(allocator_modules));
}

bool ebb_module_is_system(const char *module)
{
    return starts_with_any(module, system_folders, COUNT(system_folders));
}

static bool is_python(const char *module)
{
    static const char *const names[] = {"python3", "python2", "libpython"};
    return starts_with_any(ebb_file_name(module), names, COUNT(names));
}

static bool is_lua(const char *module)
{
    static const char *const names[] = {"lua5", "liblua5", "luajit", "libluajit"};
    const char *name = ebb_file_name(module);
    return strcmp(name, "lua") == 0 || starts_with_any(name, names, COUNT(names));
}

bool ebb_module_is_interpreter(const char *module)
{
    return is_python(module) || is_lua(module);
}

bool ebb_name_is_interpreter_loop(const char *base)
{
    static const char *const loops[] = {"_PyEval_",  "PyEval_",    "PyRun_",
                                        "_PyRun_",   "Py_Run",     "lua_call",
                                        "lua_pcall", "lua_resume", "luaV_execute"};
    return starts_with_any(base, loops, COUNT(loops));
}

const struct ebb_container *ebb_interpreter_container(const char *module, bool by_realloc)
{
    if (is_python(module))
        return by_realloc ? &cpython_list : &cpython_dict;
    return is_lua(module) ? &lua_table : NULL;
}

/* The template's functions are called after the user's map, but lie in Ebb's headers. */
static bool is_ebb(const char *file)
{
    return strstr(file, "/ebb/impl/") || strstr(file, "runtime/containers/");
}

static struct ebb_recognised recognise_header(const char *file, const char *base)
{
    if (is_ebb(file))
        return (struct ebb_recognised){&ebb_map, EBB_ROLE_NODE};
    if (!strstr(file, "/c++/"))
        return (struct ebb_recognised){0};
    for (size_t i = 0; i < COUNT(headers); i++) {
        const struct ebb_container *container = headers[i].container;
        if (strcmp(ebb_file_name(file), headers[i].header) != 0)
            continue;
        bool table = container == &stl_vector || strstr(base, "rehash") || strstr(base, "buckets");
        return (struct ebb_recognised){container, table ? EBB_ROLE_TABLE : EBB_ROLE_NODE};
    }
    return (struct ebb_recognised){0};
}

struct ebb_recognised ebb_recognise(const struct ebb_frame *frame, const char *base,
                                    const char *executable)
{
    for (size_t i = 0; i < COUNT(rules); i++) {
        const struct rule *rule = &rules[i];
        bool fits = rule->match == PREFIX ? starts(base, rule->text)
                    : rule->match == WORD ? strcmp(base, rule->text) == 0
                                          : strstr(base, rule->text) != NULL;
        if (fits && (!rule->program || strstr(ebb_file_name(frame->module), rule->program) ||
                     strstr(ebb_file_name(executable), rule->program)))
            return (struct ebb_recognised){rule->container, rule->role};
    }
    return recognise_header(frame->file, base);
}

bool ebb_container_is_ebb(const struct ebb_container *container)
{
    return container == &ebb_map;
}
