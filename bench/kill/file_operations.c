/* Loaded before the C library (LD_PRELOAD): counts what a process writes below one folder, and kills it at the n-th
 * operation: before it ("clean"), or in its middle ("torn": half of the bytes of a write; of all others, right after).
 * Does nothing until kill_at() is called. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX], file[NAME_MAX + 1];
static long counted, fatal;
static int torn, report = -1;

/* Count the operations of this process below `below` from now on, only those on files called `only` if that is not empty;
 * the n-th is fatal (0: none). */
void kill_at(const char *below, const char *only, long n, int in_the_middle, int descriptor) {
    counted = 0;
    fatal = n;
    torn = in_the_middle;
    strncpy(file, only, NAME_MAX);
    report = descriptor;
    strncpy(folder, strcmp(below, ".") ? below : "", PATH_MAX - 1);
}

long operations(void) { return counted; }

static void die(const char *name, const char *path) {
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "{\"what\": \"fault\", \"operation\": \"%s\", \"path\": \"%s\"}", name,
                          path + strlen(folder));
    syscall(SYS_write, report, line, length);
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

/* Compiled modules do not count: they are written once. */
static int below(const char *path) {
    const char *name = strrchr(path, '/');
    return folder[0] && !strncmp(path, folder, strlen(folder)) && !strstr(path, "/__pycache__") &&
           (!file[0] || !strcmp(name + 1, file));
}

static int path_of(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0;
}

static void absolute(int directory, const char *path, char *whole) {
    char base[PATH_MAX] = "";
    if (path[0] != '/') {
        if (directory == AT_FDCWD) getcwd(base, sizeof base);
        else path_of(directory, base);
        strncat(base, "/", sizeof base - strlen(base) - 1);
    }
    snprintf(whole, PATH_MAX, "%s%s", base, path);
}

/* Whether this very operation is the fatal one. */
static int fatal_now(const char *path) {
    return below(path) && __atomic_add_fetch(&counted, 1, __ATOMIC_SEQ_CST) == fatal;
}

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })

/* An operation with a path: killed before it, or right after it. */
#define AT(name, where, call) \
    if (!folder[0]) return call; \
    char whole[PATH_MAX]; \
    where; \
    int now = fatal_now(whole); \
    if (now && !torn) die(#name, whole); \
    __typeof__(call) answer = call; \
    if (now) die(#name, whole); \
    return answer;

/* A write: killed before it, or after half of its bytes. */
#define WRITE(name, half, call) \
    char path[PATH_MAX]; \
    if (folder[0] && path_of(descriptor, path) && fatal_now(path)) { \
        if (torn && half < 0) _exit(99); \
        die(#name, path); \
    } \
    return call;

ssize_t write(int descriptor, const void *bytes, size_t count) {
    WRITE(write, REAL(write)(descriptor, bytes, count / 2), REAL(write)(descriptor, bytes, count))
}
ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    WRITE(pwrite, REAL(pwrite)(descriptor, bytes, count / 2, offset), REAL(pwrite)(descriptor, bytes, count, offset))
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
    WRITE(pwrite, REAL(pwrite64)(descriptor, bytes, count / 2, offset),
          REAL(pwrite64)(descriptor, bytes, count, offset))
}
ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
    WRITE(writev, REAL(writev)(descriptor, pieces, count / 2), REAL(writev)(descriptor, pieces, count))
}
int fsync(int descriptor) { AT(fsync, path_of(descriptor, whole), REAL(fsync)(descriptor)) }
int fdatasync(int descriptor) { AT(fdatasync, path_of(descriptor, whole), REAL(fdatasync)(descriptor)) }
int ftruncate(int descriptor, off_t size) { AT(ftruncate, path_of(descriptor, whole), REAL(ftruncate)(descriptor, size)) }
int ftruncate64(int descriptor, off64_t size) {
    AT(ftruncate, path_of(descriptor, whole), REAL(ftruncate64)(descriptor, size))
}
int close(int descriptor) {
    int flags = folder[0] ? fcntl(descriptor, F_GETFL) : 0;
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) return REAL(close)(descriptor);
    AT(close, path_of(descriptor, whole), REAL(close)(descriptor))
}
int rename(const char *from, const char *to) { AT(rename, absolute(AT_FDCWD, to, whole), REAL(rename)(from, to)) }
int renameat(int old, const char *from, int new, const char *to) {
    AT(rename, absolute(new, to, whole), REAL(renameat)(old, from, new, to))
}
int unlink(const char *path) { AT(unlink, absolute(AT_FDCWD, path, whole), REAL(unlink)(path)) }
int unlinkat(int directory, const char *path, int flags) {
    AT(unlink, absolute(directory, path, whole), REAL(unlinkat)(directory, path, flags))
}
int rmdir(const char *path) { AT(rmdir, absolute(AT_FDCWD, path, whole), REAL(rmdir)(path)) }
int mkdir(const char *path, mode_t mode) { AT(mkdir, absolute(AT_FDCWD, path, whole), REAL(mkdir)(path, mode)) }
int link(const char *from, const char *to) { AT(link, absolute(AT_FDCWD, to, whole), REAL(link)(from, to)) }
int symlink(const char *from, const char *to) { AT(symlink, absolute(AT_FDCWD, to, whole), REAL(symlink)(from, to)) }

/* Opening creates or empties a file: that, too, is an operation. */
#define OPEN(name, at, call) \
    mode_t mode = 0; \
    if (flags & O_CREAT) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    } \
    if (!(flags & (O_CREAT | O_TRUNC))) return call; \
    AT(open, absolute(at, path, whole), call)

int open(const char *path, int flags, ...) { OPEN(open, AT_FDCWD, REAL(open)(path, flags, mode)) }
int open64(const char *path, int flags, ...) { OPEN(open64, AT_FDCWD, REAL(open64)(path, flags, mode)) }
int openat(int directory, const char *path, int flags, ...) {
    OPEN(openat, directory, REAL(openat)(directory, path, flags, mode))
}
