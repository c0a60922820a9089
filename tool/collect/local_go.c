/* See local_go.h. Sockets are found by their inode: /proc/net/tcp names that of every listening one,
 * and /proc/PID/fd of every process those that it holds (proc(5)). */
#include "tool/collect/local_go.h"

#include "base/clock.h"
#include "base/vec.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <gelf.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct inodes EBB_VEC(uint64_t);

/* ---- which process ---- */

static void find_listeners(const char *path, unsigned port, struct inodes *inodes)
{
    enum { LISTENS = 0x0a };
    char line[512];
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        unsigned at, state;
        uint64_t inode;
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %" SCNu64,
                   &at, &state, &inode) == 3 &&
            at == port && state == LISTENS && ebb_vec_push(inodes, inode) < 0)
            break;
    }
    if (file)
        fclose(file);
}

/* Reads a small file below /proc/PID; the bytes read, at most `size`. */
static size_t read_of_process(pid_t pid, const char *name, char *bytes, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "re");
    size_t got = file ? fread(bytes, 1, size, file) : 0;
    if (file)
        fclose(file);
    return got;
}

static bool has_command_line(pid_t pid, const char *wanted, size_t size)
{
    char *bytes = malloc(size + 2);
    size_t got = bytes ? read_of_process(pid, "cmdline", bytes, size + 2) : 0;
    /* The kernel ends the last argument with a NUL, too. */
    bool same = got == size + 1 && memcmp(bytes, wanted, size) == 0 && bytes[size] == '\0';
    free(bytes);
    return same;
}

static bool holds_socket(pid_t pid, const struct inodes *inodes)
{
    char path[64], link[64];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    for (struct dirent *entry; !found && directory && (entry = readdir(directory));) {
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, link, sizeof link - 1);
        uint64_t inode;
        if (length <= 0)
            continue;
        link[length] = '\0';
        if (sscanf(link, "socket:[%" SCNu64 "]", &inode) != 1)
            continue;
        for (size_t i = 0; i < inodes->len; i++)
            found |= inodes->items[i] == inode;
    }
    if (directory)
        closedir(directory);
    return found;
}

pid_t ebb__local_listener(unsigned port, const char *command_line, size_t size)
{
    struct inodes inodes = {0};
    pid_t found = 0;
    find_listeners("/proc/net/tcp", port, &inodes);
    find_listeners("/proc/net/tcp6", port, &inodes);
    DIR *processes = inodes.len > 0 ? opendir("/proc") : NULL;
    for (struct dirent *entry; !found && processes && (entry = readdir(processes));) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (pid > 0 && !*end && has_command_line((pid_t)pid, command_line, size) &&
            holds_socket((pid_t)pid, &inodes))
            found = (pid_t)pid;
    }
    if (processes)
        closedir(processes);
    ebb_vec_free(&inodes);
    return found;
}

bool ebb__is_local_address(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    bool is_v4 = inet_pton(AF_INET, address, &v4) == 1;
    if (!is_v4 && inet_pton(AF_INET6, address, &v6) != 1)
        return false;
    if (is_v4 ? ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET : IN6_IS_ADDR_LOOPBACK(&v6))
        return true;
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all) < 0)
        return false;
    for (const struct ifaddrs *one = all; one && !found; one = one->ifa_next) {
        if (!one->ifa_addr)
            continue;
        const void *at = one->ifa_addr;
        if (is_v4 && one->ifa_addr->sa_family == AF_INET)
            found = ((const struct sockaddr_in *)at)->sin_addr.s_addr == v4.s_addr;
        else if (!is_v4 && one->ifa_addr->sa_family == AF_INET6)
            found = memcmp(&((const struct sockaddr_in6 *)at)->sin6_addr, &v6, sizeof v6) == 0;
    }
    freeifaddrs(all);
    return found;
}

/* ---- what its file says ---- */

/* Go's build information (debug/buildinfo): 14 bytes of magic, the pointer size, flags; with flag 2
 * the version follows at byte 32, its length before it as a varint. */
static void read_build_info(const unsigned char *bytes, size_t size, char version[static 64])
{
    static const char magic[] = "\xff Go buildinf:";
    enum { FLAGS = 15, INLINE = 2, HEADER = 32 };
    if (size <= HEADER || memcmp(bytes, magic, sizeof magic - 1) != 0 || !(bytes[FLAGS] & INLINE))
        return;
    size_t at = HEADER, length = 0;
    for (unsigned shift = 0; at < size && shift < 28; shift += 7) {
        unsigned char byte = bytes[at++];
        length |= (size_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    if (length > size - at || length < 3 || memcmp(bytes + at, "go", 2) != 0)
        return;
    size_t kept = 0;
    while (kept < length && kept < 63 && bytes[at + kept] > ' ' && bytes[at + kept] < 0x7f)
        kept++;
    memcpy(version, bytes + at, kept);
    version[kept] = '\0';
}

static void read_sections(Elf *elf, char version[static 64])
{
    size_t names;
    if (elf_kind(elf) != ELF_K_ELF || elf_getshdrstrndx(elf, &names) != 0)
        return;
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
        GElf_Shdr header;
        const char *name =
            gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
        if (!name || strcmp(name, ".go.buildinfo") != 0)
            continue;
        const Elf_Data *data = elf_rawdata(section, NULL);
        if (data && data->d_buf)
            read_build_info(data->d_buf, data->d_size, version);
    }
}

void ebb__go_version_of_process(pid_t pid, char version[static 64])
{
    char path[64];
    version[0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    Elf *elf = elf_version(EV_CURRENT) != EV_NONE ? elf_begin(file, ELF_C_READ_MMAP, NULL) : NULL;
    if (elf)
        read_sections(elf, version);
    elf_end(elf);
    close(file);
}

/* ---- how it was started ---- */

bool ebb__environment_of_process(pid_t pid, const char *name, char *value, size_t size)
{
    enum { MOST = 256 << 10 };
    char *bytes = malloc(MOST + 1);
    size_t got = bytes ? read_of_process(pid, "environ", bytes, MOST) : 0, length = strlen(name);
    bool found = false;
    if (bytes)
        bytes[got] = '\0';
    for (size_t at = 0; at < got && !found; at += strlen(bytes + at) + 1)
        if (strncmp(bytes + at, name, length) == 0 && bytes[at + length] == '=') {
            snprintf(value, size, "%s", bytes + at + length + 1);
            found = true;
        }
    free(bytes);
    return found;
}

uint64_t ebb__go_limit_parse(const char *text)
{
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    char *end;
    if (*text < '0' || *text > '9')
        return UINT64_MAX;
    unsigned long long number = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].name) == 0)
            return number >= UINT64_C(1) << (62 - units[i].shift) ? UINT64_MAX
                                                                  : number << units[i].shift;
    return UINT64_MAX;
}

double ebb__age_of_process(pid_t pid)
{
    char stat[1024];
    size_t got = read_of_process(pid, "stat", stat, sizeof stat - 1);
    stat[got] = '\0';
    const char *rest = strrchr(stat, ')'); /* the name before it may hold anything */
    unsigned long long ticks;
    long per_second = sysconf(_SC_CLK_TCK);
    if (!rest || per_second <= 0 ||
        sscanf(rest + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
               "%*d %*d %llu",
               &ticks) != 1)
        return -1;
    return (double)ebb_clock_read(CLOCK_BOOTTIME) * 1e-9 - (double)ticks / (double)per_second;
}
