/* See launch.h.
 *
 * The agent comes in through LD_PRELOAD, so a program qualifies when the dynamic loader of our own
 * C library will run it: a dynamic ELF file of this machine, not set-uid. Everything else would
 * start and then show nothing, so it is refused before it starts, with what to do instead. */
#include "tool/collect/launch.h"

#include "base/clock.h"
#include "base/hash.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef EBB_AGENT_INSTALLED
#define EBB_AGENT_INSTALLED "../lib/ebb/libebb-agent.so" /* relative to the executable's folder */
#endif

#if defined(__x86_64__)
enum { OWN_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { OWN_MACHINE = EM_AARCH64 };
#else
#error "Ebb runs on x86-64 and aarch64"
#endif

/* Copies a path; false when it does not fit. */
static bool copy_path(char *to, size_t size, const char *path)
{
    size_t length = strlen(path) + 1;
    if (length <= size)
        memcpy(to, path, length);
    return length <= size;
}

/* ---- finding programs ---- */

/* 0, or why the file cannot be executed. */
static int executable_error(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return -errno;
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    return S_ISREG(status.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

static int cannot_execute(const char *path, int code, struct ebb_error *error)
{
    return ebb_error_set(error, code, "%s: %s", path,
                         code == -EACCES   ? "not executable; chmod +x it, or name its interpreter"
                         : code == -ENOENT ? "no such program"
                         : code == -EISDIR ? "is a directory, not a program"
                                           : strerror(-code));
}

int ebb__launch_find(const char *command, char *path, size_t size, struct ebb_error *error)
{
    if (!*command)
        return ebb_error_set(error, -ENOENT, "the program's name is empty");
    if (strchr(command, '/')) {
        if (!copy_path(path, size, command))
            return cannot_execute(command, -ENAMETOOLONG, error);
        int code = executable_error(path);
        return code < 0 ? cannot_execute(path, code, error) : 0;
    }
    const char *folders = getenv("PATH");
    int denied = 0;
    for (const char *at = folders ? folders : "/usr/local/bin:/usr/bin:/bin"; at;) {
        const char *end = strchrnul(at, ':');
        int length = end == at ? snprintf(path, size, "./%s", command)
                               : snprintf(path, size, "%.*s/%s", (int)(end - at), at, command);
        if (length > 0 && (size_t)length < size) {
            int code = executable_error(path);
            if (code == 0)
                return 0;
            if (code == -EACCES)
                denied = code;
        }
        at = *end ? end + 1 : NULL;
    }
    if (denied)
        return cannot_execute(command, denied, error);
    return ebb_error_set(error, -ENOENT, "%s: no such program along PATH", command);
}

/* ---- what can be preloaded ---- */

static int check_privileges(const char *path, int fd, uid_t uid, gid_t gid, struct ebb_error *error)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return ebb_error_set(error, -errno, "%s: %s", path, strerror(errno));
    /* What counts is whether the identity would change: then the loader ignores LD_PRELOAD. */
    const char *bit =
        (status.st_mode & S_ISUID) && status.st_uid != uid ? "set-uid"
        : (status.st_mode & S_ISGID) && (status.st_mode & S_IXGRP) && status.st_gid != gid
            ? "set-gid"
        : uid != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0 ? "given file capabilities"
                                                                        : NULL;
    if (bit)
        return ebb_error_set(
            error, -EPERM,
            "%s is %s, so the loader does not accept the agent; run it as the user "
            "it becomes, or a copy without that permission",
            path, bit);
    return 0;
}

static const char *machine_name(unsigned machine)
{
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = {{EM_386, "32-bit x86"},  {EM_X86_64, "x86-64"}, {EM_ARM, "32-bit ARM"},
                 {EM_AARCH64, "AArch64"}, {EM_PPC64, "POWER"},   {EM_S390, "s390"},
                 {EM_RISCV, "RISC-V"},    {EM_MIPS, "MIPS"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].machine == machine)
            return names[i].name;
    return "a foreign architecture";
}

/* Whether the Go linker made it: it leaves a section that holds the build's description. */
static bool is_go(Elf *elf)
{
    size_t names;
    if (elf_getshdrstrndx(elf, &names) < 0)
        return false;
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
        GElf_Shdr header;
        const char *name =
            gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
        if (name && strcmp(name, ".go.buildinfo") == 0)
            return true;
    }
    return false;
}

/* The dynamic loader the file asks for; false for a static file. */
static bool find_loader(Elf *elf, int fd, char *loader, size_t size)
{
    size_t count;
    if (elf_getphdrnum(elf, &count) < 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_INTERP)
            continue;
        size_t length = header.p_filesz < size ? header.p_filesz : size - 1;
        ssize_t got = pread(fd, loader, length, (off_t)header.p_offset);
        loader[got > 0 ? got : 0] = '\0';
        return true;
    }
    return false;
}

static int check_elf(const char *path, int fd, struct ebb_error *error)
{
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    GElf_Ehdr header;
    char loader[256];
    int code = 0;
    if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header)) {
        code =
            ebb_error_set(error, -ENOEXEC, "%s: neither an ELF program nor a script with #!", path);
    } else if (header.e_machine != OWN_MACHINE || header.e_ident[EI_CLASS] != ELFCLASS64) {
        code = ebb_error_set(error, -ENOEXEC, "%s: a program for %s; this agent is for %s", path,
                             machine_name(header.e_machine), machine_name(OWN_MACHINE));
    } else if (!find_loader(elf, fd, loader, sizeof loader)) {
        code = is_go(elf)
                   ? ebb_error_set(error, -ENOEXEC,
                                   "%s: a static Go program, which no agent can be preloaded into; "
                                   "import net/http/pprof in it, then `ebb doctor "
                                   "http://HOST:PORT`",
                                   path)
                   : ebb_error_set(error, -ENOEXEC,
                                   "%s: statically linked, so no agent can be preloaded; link it "
                                   "dynamically, or, if it answers /debug/pprof, `ebb doctor "
                                   "http://HOST:PORT`",
                                   path);
    } else if (strstr(loader, "ld-musl")) {
        code = ebb_error_set(error, -ENOEXEC,
                             "%s: built for musl (%s); this agent is for glibc: run a glibc build "
                             "of the program",
                             path, loader);
    }
    elf_end(elf);
    return code;
}

static int check_file(const char *path, uid_t uid, gid_t gid, unsigned depth,
                      struct ebb_error *error);

/* Cuts the next blank-separated word off `text`; NULL at its end. */
static char *next_word(char **text)
{
    char *word = *text + strspn(*text, " \t");
    size_t length = strcspn(word, " \t");
    *text = word + length + (word[length] != '\0');
    word[length] = '\0';
    return length ? word : NULL;
}

/* The program a `#!` line runs: its interpreter, or what `env` starts. */
static int check_script(const char *path, char *line, uid_t uid, gid_t gid, unsigned depth,
                        struct ebb_error *error)
{
    enum { DEEPEST = 5 }; /* as the kernel has it */
    line[strcspn(line, "\r\n")] = '\0';
    char *interpreter = next_word(&line), found[PATH_MAX];
    if (!interpreter || depth >= DEEPEST)
        return ebb_error_set(error, -ENOEXEC, "%s: its #! line names no interpreter", path);
    const char *slash = strrchr(interpreter, '/');
    if (strcmp(slash ? slash + 1 : interpreter, "env") == 0) {
        char *word;
        while ((word = next_word(&line)) && (word[0] == '-' || strchr(word, '=')))
            ;
        if (word)
            interpreter = word;
    }
    struct ebb_error why = {""};
    int code = ebb__launch_find(interpreter, found, sizeof found, &why);
    if (code == 0)
        code = check_file(found, uid, gid, depth + 1, &why);
    return code < 0 ? ebb_error_set(error, code, "%.200s: its interpreter %.300s", path, why.text)
                    : 0;
}

static int check_file(const char *path, uid_t uid, gid_t gid, unsigned depth,
                      struct ebb_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) /* may be executed but not read: nothing to check by */
        return errno == EACCES ? 0 : ebb_error_set(error, -errno, "%s: %s", path, strerror(errno));
    char beginning[256]; /* the kernel looks at as much of a #! line */
    ssize_t got = pread(fd, beginning, sizeof beginning - 1, 0);
    beginning[got > 0 ? got : 0] = '\0';
    int code;
    if (strncmp(beginning, "#!", 2) == 0)
        code = check_script(path, beginning + 2, uid, gid, depth, error);
    else if ((code = check_privileges(path, fd, uid, gid, error)) == 0)
        code = check_elf(path, fd, error);
    close(fd);
    return code;
}

int ebb__launch_check(const char *path, uid_t uid, gid_t gid, struct ebb_error *error)
{
    return check_file(path, uid, gid, 0, error);
}

/* ---- the agent ---- */

int ebb__launch_find_agent(char *path, size_t size, struct ebb_error *error)
{
    static const char *const places[] = {
        "../agent/libebb-agent.so", /* the build tree */
        EBB_AGENT_INSTALLED,        "../lib/ebb/libebb-agent.so", "../lib64/ebb/libebb-agent.so",
        "libebb-agent.so",
    };
    const char *given = getenv("EBB_AGENT_PATH");
    if (given && *given) {
        char *whole = realpath(given, NULL);
        int code = whole && copy_path(path, size, whole) ? 0 : -ENOENT;
        free(whole);
        return code < 0 ? ebb_error_set(error, code, "EBB_AGENT_PATH: %s: no such file", given) : 0;
    }
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (!slash)
        return ebb_error_set(error, -ENOENT,
                             "cannot find libebb-agent.so: /proc is not mounted; "
                             "name it in EBB_AGENT_PATH");
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char candidate[2 * PATH_MAX];
        bool absolute = places[i][0] == '/';
        snprintf(candidate, sizeof candidate, "%s%s%s", absolute ? "" : self, absolute ? "" : "/",
                 places[i]);
        char *whole = realpath(candidate, NULL);
        bool found = whole && copy_path(path, size, whole);
        free(whole);
        if (found)
            return 0;
    }
    return ebb_error_set(error, -ENOENT,
                         "cannot find libebb-agent.so beside %s; name it in EBB_AGENT_PATH", self);
}

uint64_t ebb__launch_new_session(void)
{
    uint64_t session = 0;
    if (getrandom(&session, sizeof session, GRND_NONBLOCK) != sizeof session)
        session = ebb_mix64(ebb_clock_ns() ^ (uint64_t)getpid() << 32);
    return session ? session : 1;
}

/* ---- starting ---- */

/* The environment of the program: ours without the agent's variables, then those. */
struct environment {
    char **items;    /* NULL-terminated; borrowed from environ and from below */
    char own[4][40]; /* the agent's variables */
    char *preload;
};

static bool is_agent_variable(const char *item)
{
    static const char *const names[] = {
        "LD_PRELOAD=", "EBB_SAMPLE=", "EBB_SESSION=", "EBB_ROOT=", "EBB_FOLLOW="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(item, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static void environment_free(struct environment *environment)
{
    if (environment) {
        free(environment->preload);
        free(environment->items);
        free(environment);
    }
}

static struct environment *environment_new(const struct ebb_launch *launch)
{
    struct environment *environment = calloc(1, sizeof *environment);
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    const char *preloaded = getenv("LD_PRELOAD");
    bool more = preloaded && *preloaded;
    /* The agent first: then its malloc is the one everybody calls. */
    if (!environment || !(environment->items = calloc(count + 6, sizeof *environment->items)) ||
        asprintf(&environment->preload, "LD_PRELOAD=%s%s%s", launch->agent, more ? ":" : "",
                 more ? preloaded : "") < 0) {
        if (environment)
            environment->preload = NULL; /* undefined after a failed asprintf */
        environment_free(environment);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        if (!is_agent_variable(environ[i]))
            environment->items[kept++] = environ[i];
    environment->items[kept++] = environment->preload;
    char(*own)[40] = environment->own;
    snprintf(*own, sizeof *own, "EBB_SAMPLE=%" PRIu64, launch->period);
    environment->items[kept++] = *own++;
    snprintf(*own, sizeof *own, "EBB_SESSION=%016" PRIx64, launch->session);
    environment->items[kept++] = *own++;
    snprintf(*own, sizeof *own, "EBB_ROOT=1");
    environment->items[kept++] = *own++;
    if (launch->only_parent) {
        snprintf(*own, sizeof *own, "EBB_FOLLOW=0");
        environment->items[kept++] = *own++;
    }
    return environment;
}

/* Signals as a shell's child has them, whatever this command did with them. A program in the
 * background of a terminal would be stopped for good when it reads from it; with SIGTTIN and
 * SIGTTOU ignored, reading fails instead and settings work. */
static void set_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGCHLD);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &defaults);
}

static int spawn(const char *path, char *const *argv, char **environment,
                 const struct ebb_launch *launch, pid_t *pid)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int code = posix_spawnattr_init(&attributes);
    if (code)
        return -code;
    if ((code = posix_spawn_file_actions_init(&actions))) {
        posix_spawnattr_destroy(&attributes);
        return -code;
    }
    set_signals(&attributes);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (!launch->foreground) {
        posix_spawnattr_setpgroup(&attributes, 0);
        flags |= POSIX_SPAWN_SETPGROUP;
    }
    posix_spawnattr_setflags(&attributes, flags);
    if (launch->output_to_stderr)
        code = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    if (code == 0) {
        bool terminal = !launch->foreground && isatty(STDIN_FILENO);
        struct sigaction ignore = {.sa_handler = SIG_IGN}, input, output;
        if (terminal) { /* inherited through exec */
            sigaction(SIGTTIN, &ignore, &input);
            sigaction(SIGTTOU, &ignore, &output);
        }
        code = posix_spawn(pid, path, &actions, &attributes, argv, environment);
        if (terminal) {
            sigaction(SIGTTIN, &input, NULL);
            sigaction(SIGTTOU, &output, NULL);
        }
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -code;
}

int ebb__launch_start(char *const *argv, const struct ebb_launch *launch, pid_t *pid,
                      struct ebb_error *error)
{
    char path[PATH_MAX];
    int code = ebb__launch_find(argv[0], path, sizeof path, error);
    if (code < 0 || (code = ebb__launch_check(path, getuid(), getgid(), error)) < 0)
        return code;
    if (strpbrk(launch->agent, " :"))
        return ebb_error_set(error, -EINVAL,
                             "%s: LD_PRELOAD cannot name a path with blanks or colons; copy the "
                             "agent elsewhere and name it in EBB_AGENT_PATH",
                             launch->agent);
    struct environment *environment = environment_new(launch);
    if (!environment)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", argv[0]);
    code = spawn(path, argv, environment->items, launch, pid);
    environment_free(environment);
    return code < 0 ? ebb_error_set(error, code, "%s: cannot start it: %s", path, strerror(-code))
                    : 0;
}
