/* Gauges and limits, read from trees that imitate /proc and /sys in every arrangement. */
#include "scratch.h"

#include "tool/collect/limits_root.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

enum { PID = 42 };

static void put(const char *root, const char *path, const char *contents)
{
    scratch_write(scratch_text("%s%s", root, path), contents);
}

/* A process of 100 MiB on a machine with 1000 MiB available, without any limit. */
static void plain_tree(const char *root)
{
    put(root, "/proc/42/status",
        "Name:\tx\nVmPeak:\t 400000 kB\nVmSize:\t 307200 kB\nVmHWM:\t 122880 kB\nVmRSS:\t 102400 "
        "kB\n"
        "RssAnon:\t 81920 kB\nRssFile:\t 20480 kB\nRssShmem:\t 0 kB\nVmData:\t 204800 kB\n"
        "VmSwap:\t 1024 kB\nThreads:\t7\n");
    put(root, "/proc/42/limits",
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max data size             unlimited            unlimited            bytes     \n"
        "Max address space         unlimited            unlimited            bytes     \n");
    put(root, "/proc/meminfo", "MemTotal: 4096000 kB\nMemFree: 1 kB\nMemAvailable: 1024000 kB\n");
}

static struct ebb_limit limit_of(const char *root)
{
    struct ebb_memory memory;
    struct ebb_limit limit;
    assert_int_equal(ebb__memory_read_below(root, PID, false, &memory), 0);
    assert_int_equal(ebb__limit_read_below(root, PID, &memory, &limit), 0);
    return limit;
}

static void assert_limit(const char *root, const char *source, uint64_t limit_bytes,
                         uint64_t used_bytes, const char *detail)
{
    struct ebb_limit limit = limit_of(root);
    assert_string_equal(limit.source, source);
    assert_int_equal(limit.limit_bytes, limit_bytes);
    assert_int_equal(limit.used_bytes, used_bytes);
    if (!strstr(limit.detail, detail))
        fail_msg("'%s' does not say '%s'", limit.detail, detail);
}

static void test_memory(void **state)
{
    const char *root = *state;
    struct ebb_memory memory;
    plain_tree(root);
    assert_int_equal(ebb__memory_read_below(root, PID, false, &memory), 0);
    assert_int_equal(memory.rss, 100 * MIB);
    assert_int_equal(memory.rss_anonymous, 80 * MIB);
    assert_int_equal(memory.rss_file, 20 * MIB);
    assert_int_equal(memory.rss_shared, 0);
    assert_int_equal(memory.rss_peak, 120 * MIB);
    assert_int_equal(memory.virtual_size, 300 * MIB);
    assert_int_equal(memory.data_size, 200 * MIB);
    assert_int_equal(memory.swap, MIB);
    assert_int_equal(memory.threads, 7);
    put(root, "/proc/42/smaps_rollup",
        "5500-7fff ---p 00000000 00:00 0 [rollup]\nRss:     103424 kB\nAnonymous:  82944 kB\n"
        "Swap:   2048 kB\n");
    assert_int_equal(ebb__memory_read_below(root, PID, true, &memory), 0);
    assert_int_equal(memory.rss, 101 * MIB);
    assert_int_equal(memory.rss_anonymous, 81 * MIB);
    assert_int_equal(memory.swap, 2 * MIB);
}

static void test_old_kernel(void **state)
{
    struct ebb_memory memory;
    put(*state, "/proc/42/status", "VmSize:\t 1024 kB\nVmRSS:\t 512 kB\n");
    assert_int_equal(ebb__memory_read_below(*state, PID, true, &memory), 0);
    assert_int_equal(memory.rss, MIB / 2);
    assert_true(memory.rss_anonymous == UINT64_MAX);
    assert_true(memory.swap == UINT64_MAX);
}

static void test_gone(void **state)
{
    struct ebb_memory memory;
    assert_int_equal(ebb__memory_read_below(*state, PID, false, &memory), -ESRCH);
    put(*state, "/proc/42/status", "Name:\tx\nState:\tZ (zombie)\nThreads:\t1\n");
    assert_int_equal(ebb__memory_read_below(*state, PID, false, &memory), -ESRCH);
}

static void test_machine_only(void **state)
{
    plain_tree(*state);
    assert_limit(*state, "MemAvailable", 1100 * MIB, 100 * MIB, "meminfo");
}

static void test_nothing_known(void **state)
{
    put(*state, "/proc/42/status", "VmRSS:\t 1024 kB\n");
    struct ebb_limit limit = limit_of(*state);
    assert_true(limit.limit_bytes == UINT64_MAX);
    assert_string_equal(limit.source, "");
}

static void test_rlimits(void **state)
{
    plain_tree(*state);
    put(*state, "/proc/42/limits",
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max data size             unlimited            unlimited            bytes     \n"
        "Max address space         524288000            unlimited            bytes     \n");
    assert_limit(*state, "ulimit", 500 * MIB, 300 * MIB, "RLIMIT_AS");
    put(*state, "/proc/42/limits",
        "Max data size             314572800            unlimited            bytes     \n"
        "Max address space         524288000            unlimited            bytes     \n");
    assert_limit(*state, "ulimit", 300 * MIB, 200 * MIB, "RLIMIT_DATA");
}

static const char v2_mounts[] =
    "22 27 0:21 / /proc rw - proc proc rw\n"
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

/* The tighter of two nested groups; of its usage, what the page cache holds does not count. */
static void test_cgroup2(void **state)
{
    const char *root = *state;
    plain_tree(root);
    put(root, "/proc/self/mountinfo", v2_mounts);
    put(root, "/proc/42/cgroup", "0::/app.slice/shop.service\n");
    put(root, "/sys/fs/cgroup/app.slice/shop.service/memory.max", "max\n");
    put(root, "/sys/fs/cgroup/app.slice/shop.service/memory.current", "209715200\n");
    put(root, "/sys/fs/cgroup/app.slice/memory.max", "419430400\n");
    put(root, "/sys/fs/cgroup/app.slice/memory.current", "314572800\n");
    put(root, "/sys/fs/cgroup/app.slice/memory.stat",
        "anon 1\nfile 104857600\ninactive_anon 7\ninactive_file 73400320\nactive_file 31457280\n");
    assert_limit(root, "cgroup", 400 * MIB, 200 * MIB, "/sys/fs/cgroup/app.slice/memory.max");
    put(root, "/sys/fs/cgroup/app.slice/shop.service/memory.max", "262144000\n");
    assert_limit(root, "cgroup", 250 * MIB, 200 * MIB, "shop.service/memory.max");
    /* A limit that is far away does not count. */
    put(root, "/sys/fs/cgroup/app.slice/shop.service/memory.max", "max\n");
    put(root, "/sys/fs/cgroup/app.slice/memory.max", "4194304000\n");
    assert_limit(root, "MemAvailable", 1100 * MIB, 100 * MIB, "");
}

/* In a container the mount shows its own group as the top. */
static void test_cgroup2_in_container(void **state)
{
    const char *root = *state;
    plain_tree(root);
    put(root, "/proc/self/mountinfo", v2_mounts);
    put(root, "/proc/42/cgroup", "0::/\n");
    put(root, "/sys/fs/cgroup/memory.max", "209715200\n");
    put(root, "/sys/fs/cgroup/memory.current", "104857600\n");
    assert_limit(root, "cgroup", 200 * MIB, 100 * MIB, "/sys/fs/cgroup/memory.max");
    put(root, "/proc/42/cgroup", "0::/../../outside\n"); /* another namespace: not to be seen */
    assert_limit(root, "MemAvailable", 1100 * MIB, 100 * MIB, "");
}

/* The host's path in /proc, but the mount begins at the container's group. */
static void test_cgroup_bind_mount(void **state)
{
    const char *root = *state;
    plain_tree(root);
    put(root, "/proc/self/mountinfo",
        "35 31 0:32 /docker/ab\\040c /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    put(root, "/proc/42/cgroup", "4:memory:/docker/ab c/inner\n0::/\n");
    put(root, "/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "209715200\n");
    put(root, "/sys/fs/cgroup/memory/inner/memory.usage_in_bytes", "104857600\n");
    assert_limit(root, "cgroup", 200 * MIB, 100 * MIB, "inner/memory.limit_in_bytes");
}

/* Version 1 beside an empty version 2, as hybrid systems have it. */
static void test_cgroup1(void **state)
{
    const char *root = *state;
    plain_tree(root);
    put(root, "/proc/self/mountinfo",
        "33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put(root, "/proc/42/cgroup", "9:name=systemd:/x\n4:memory:/a/b\n1:cpu:/\n0::/\n");
    put(root, "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    put(root, "/sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "104857600\n");
    assert_limit(root, "MemAvailable", 1100 * MIB, 100 * MIB, "");
    put(root, "/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "209715200\n");
    put(root, "/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "157286400\n");
    put(root, "/sys/fs/cgroup/memory/a/memory.stat",
        "cache 1\ninactive_file 1\ntotal_inactive_file 52428800\ntotal_active_file 0\n");
    assert_limit(root, "cgroup", 200 * MIB, 100 * MIB, "memory/a/memory.limit_in_bytes");
}

static void test_exceeded(void **state)
{
    const char *root = *state;
    plain_tree(root);
    put(root, "/proc/self/mountinfo", v2_mounts);
    put(root, "/proc/42/cgroup", "0::/g\n");
    put(root, "/sys/fs/cgroup/g/memory.max", "1048576\n");
    put(root, "/sys/fs/cgroup/g/memory.current", "2097152\n");
    assert_limit(root, "cgroup", MIB, 2 * MIB, "/g/memory.max");
}

static void test_nonsense(void **state)
{
    const char *root = *state;
    plain_tree(root);
    put(root, "/proc/self/mountinfo",
        "\n - \n1 2 - cgroup2\n30 23 0:26 / /sys/fs/cgroup\\04 rw - cgroup2 cgroup2 rw\n");
    put(root, "/proc/42/cgroup", "\n:::\n0::\n12:memory\nmemory:memory:memory\n");
    put(root, "/proc/42/limits", "Max address space\nMax data size  -5\n\n");
    put(root, "/proc/meminfo", "MemAvailable: 99999999999999999999999 kB\n");
    struct ebb_limit limit = limit_of(root);
    assert_string_equal(limit.source, "");
    /* A path longer than any: skipped, not cut. */
    static char line[9000] = "0::/";
    memset(line + 4, 'x', sizeof line - 6);
    line[sizeof line - 2] = '\n';
    put(root, "/proc/self/mountinfo", v2_mounts);
    put(root, "/proc/42/cgroup", line);
    assert_string_equal(limit_of(root).source, "");
}

/* The real /proc: a child that set its limit and touched memory. */
/* The entries of a directory below /proc/PID: the thread sanitizer has a thread of its own. */
static unsigned count_entries(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static void test_real(void **state)
{
    (void)state;
    int ready[2], done[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {512 * MIB, RLIM_INFINITY};
        char *memory =
            mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(memory, 1, 64 * MIB);
        setrlimit(RLIMIT_DATA, &limit);
        close(done[1]);
        if (write(ready[1], "r", 1) == 1)
            (void)!read(done[0], &byte, 1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct ebb_memory memory;
    struct ebb_limit limit;
    for (int thorough = 0; thorough < 2; thorough++) {
        assert_int_equal(ebb_memory_read(pid, thorough, &memory), 0);
        assert_true(memory.rss >= 64 * MIB && memory.rss_anonymous >= 64 * MIB);
        assert_true(memory.rss_peak >= 64 * MIB && memory.virtual_size >= memory.rss);
        assert_int_equal(memory.threads, count_entries(pid, "task"));
    }
    assert_int_equal(ebb_limit_read(pid, &memory, &limit), 0);
    assert_true(limit.limit_bytes != UINT64_MAX);
    if (strcmp(limit.source, "ulimit") == 0) { /* unless the machine has even less */
        assert_int_equal(limit.limit_bytes, 512 * MIB);
        assert_int_equal(limit.used_bytes, memory.data_size);
    }
    close(done[1]);
    close(done[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(ebb_memory_read(pid, false, &memory), -ESRCH);
}

int main(void)
{
#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH(test_memory),
        SCRATCH(test_old_kernel),
        SCRATCH(test_gone),
        SCRATCH(test_machine_only),
        SCRATCH(test_nothing_known),
        SCRATCH(test_rlimits),
        SCRATCH(test_cgroup2),
        SCRATCH(test_cgroup2_in_container),
        SCRATCH(test_cgroup_bind_mount),
        SCRATCH(test_cgroup1),
        SCRATCH(test_exceeded),
        SCRATCH(test_nonsense),
        cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
