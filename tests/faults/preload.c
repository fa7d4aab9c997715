/* Faults in a real process, by LD_PRELOAD: counts what it does to files below one folder and, at
   the operation that was asked for, kills it, tears the write, or answers with an error.

   FAULTS_ROOT   the folder (a real path); nothing else is counted
   FAULTS_LOG    a file that gets a line for each operation: number, name, path, bytes
   FAULTS_AT     the number of the operation that fails; none where left out
   FAULTS_KIND   kill, torn (half of the write, then killed), short (half of the write, which says
                 so), or the name of an error: ENOSPC, EIO, EROFS, EACCES
   FAULTS_FOR    how many operations fail from there on; 0: all (kinds that are errors)
   FAULTS_SLOW   microseconds that each operation takes longer
   FAULTS_CLOCK  seconds that the clock is set forward (or back), from operation FAULTS_AT on

   What only reads is not counted. ENOSPC hits what needs room, and nothing else. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static const char *root;
static size_t root_length;
static int log_fd = -1;
static long fault_at, fault_for, slow_us, clock_s;
static enum { NONE, KILL, TORN, SHORT, ERROR } kind;
static int error_number;
static long count;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text && *text ? atol(text) : otherwise;
}

__attribute__((constructor)) static void start(void) {
    const char *name = getenv("FAULTS_KIND");
    root = getenv("FAULTS_ROOT");
    root_length = root ? strlen(root) : 0;
    fault_at = number("FAULTS_AT", 0);
    fault_for = number("FAULTS_FOR", 1);
    slow_us = number("FAULTS_SLOW", 0);
    clock_s = number("FAULTS_CLOCK", 0);
    if (name) {
        static const struct { const char *name; int number; } errors[] = {
            {"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EROFS", EROFS}, {"EACCES", EACCES}};
        if (!strcmp(name, "kill")) kind = KILL;
        if (!strcmp(name, "torn")) kind = TORN;
        if (!strcmp(name, "short")) kind = SHORT;
        for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
            if (!strcmp(name, errors[i].name)) kind = ERROR, error_number = errors[i].number;
    }
    const char *log = getenv("FAULTS_LOG");
    if (log) {
        REAL(open);
        log_fd = real(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
}

static int is_below(const char *path) {
    return root && !strncmp(path, root, root_length)
        && (path[root_length] == '/' || !path[root_length]);
}

static const char *path_of(int fd, char *buffer) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, buffer, PATH_MAX - 1);
    buffer[length < 0 ? 0 : length] = 0;
    return buffer;
}

/* The path as it is seen from the root; links in the last part are not followed. */
static const char *resolve(int folder, const char *name, char *buffer) {
    char base[PATH_MAX];
    if (!name) return "";
    if (name[0] == '/') return name;
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return "";
    } else path_of(folder, base);
    if (snprintf(buffer, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) return "";
    return buffer;
}

enum { GO_ON, FAIL, HALF, HALF_AND_DIE };

/* Counts one operation and says what is to become of it. */
static int meet(const char *name, const char *path, long bytes, int needs_room) {
    if (!is_below(path)) return GO_ON;
    int saved = errno;
    long now = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (log_fd >= 0) {
        char line[PATH_MAX + 100];
        REAL(write);
        int length = snprintf(line, sizeof line, "%ld %s %s %ld\n", now, name, path, bytes);
        if (real(log_fd, line, length) < 0) abort();
    }
    if (slow_us) usleep(slow_us);
    errno = saved;
    if (!fault_at || now < fault_at) return GO_ON;
    if (kind == ERROR) {
        if (fault_for && now >= fault_at + fault_for) return GO_ON;
        if (error_number == ENOSPC && !needs_room) return GO_ON;
        errno = error_number;
        return FAIL;
    }
    if (now != fault_at || kind == NONE) return GO_ON;
    if (kind == SHORT) return bytes > 1 ? HALF : GO_ON;
    if (kind == TORN && bytes > 1) return HALF_AND_DIE;
    kill(getpid(), SIGKILL);
    pause();
    return FAIL;
}

static void die(void) { kill(getpid(), SIGKILL); pause(); }

/* ---- opening ---- */

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        char buffer[PATH_MAX]; \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
        if ((flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT) { \
            const char *full = resolve(AT_FDCWD, path, buffer); \
            struct stat there; \
            if (meet(#name, full, 0, flags & O_CREAT && stat(full, &there)) == FAIL) return -1; \
        } \
        return real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(name); \
        char buffer[PATH_MAX]; \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
        if ((flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT) { \
            const char *full = resolve(folder, path, buffer); \
            struct stat there; \
            if (meet(#name, full, 0, flags & O_CREAT && stat(full, &there)) == FAIL) return -1; \
        } \
        return real(folder, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

int creat(const char *path, mode_t mode) { return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

/* ---- writing ---- */

ssize_t write(int fd, const void *data, size_t length) {
    REAL(write);
    char buffer[PATH_MAX];
    if (fd > 2 && fd != log_fd) switch (meet("write", path_of(fd, buffer), length, 1)) {
        case FAIL: return -1;
        case HALF: length /= 2; break;
        case HALF_AND_DIE: if (real(fd, data, length / 2) >= -1) die();
    }
    return real(fd, data, length);
}

#define PWRITE(name, offset_t) \
    ssize_t name(int fd, const void *data, size_t length, offset_t at) { \
        REAL(name); \
        char buffer[PATH_MAX]; \
        switch (meet(#name, path_of(fd, buffer), length, 1)) { \
            case FAIL: return -1; \
            case HALF: length /= 2; break; \
            case HALF_AND_DIE: if (real(fd, data, length / 2, at) >= -1) die(); \
        } \
        return real(fd, data, length, at); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* ---- what takes a descriptor ---- */

#define BY_FD(name, room, parameters, ...) \
    int name parameters { \
        REAL(name); \
        char buffer[PATH_MAX]; \
        if (meet(#name, path_of(fd, buffer), 0, room) == FAIL) return -1; \
        return real(__VA_ARGS__); \
    }
BY_FD(fsync, 0, (int fd), fd)
BY_FD(fdatasync, 0, (int fd), fd)
BY_FD(syncfs, 0, (int fd), fd)
BY_FD(ftruncate, 0, (int fd, off_t length), fd, length)
BY_FD(ftruncate64, 0, (int fd, off64_t length), fd, length)
BY_FD(posix_fallocate, 1, (int fd, off_t at, off_t length), fd, at, length)
BY_FD(posix_fallocate64, 1, (int fd, off64_t at, off64_t length), fd, at, length)
BY_FD(fchmod, 0, (int fd, mode_t mode), fd, mode)

/* ---- what takes a path ---- */

#define BY_PATH(name, room, parameters, folder, path, ...) \
    int name parameters { \
        REAL(name); \
        char buffer[PATH_MAX]; \
        if (meet(#name, resolve(folder, path, buffer), 0, room) == FAIL) return -1; \
        return real(__VA_ARGS__); \
    }
BY_PATH(rename, 0, (const char *old, const char *new), AT_FDCWD, new, old, new)
BY_PATH(renameat, 0, (int from, const char *old, int to, const char *new), to, new, from, old, to, new)
BY_PATH(renameat2, 0, (int from, const char *old, int to, const char *new, unsigned int flags), to, new, from, old, to, new, flags)
BY_PATH(link, 1, (const char *old, const char *new), AT_FDCWD, new, old, new)
BY_PATH(linkat, 1, (int from, const char *old, int to, const char *new, int flags), to, new, from, old, to, new, flags)
BY_PATH(symlink, 1, (const char *old, const char *new), AT_FDCWD, new, old, new)
BY_PATH(unlink, 0, (const char *path), AT_FDCWD, path, path)
BY_PATH(unlinkat, 0, (int folder, const char *path, int flags), folder, path, folder, path, flags)
BY_PATH(rmdir, 0, (const char *path), AT_FDCWD, path, path)
BY_PATH(mkdir, 1, (const char *path, mode_t mode), AT_FDCWD, path, path, mode)
BY_PATH(mkdirat, 1, (int folder, const char *path, mode_t mode), folder, path, folder, path, mode)
BY_PATH(truncate, 0, (const char *path, off_t length), AT_FDCWD, path, path, length)

/* ---- the clock ---- */

static long shift(void) { return !fault_at || count >= fault_at ? clock_s : 0; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int answer = real(clock, now);
    if (!answer && clock == CLOCK_REALTIME) now->tv_sec += shift();
    return answer;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL(gettimeofday);
    int answer = real(now, zone);
    if (!answer && now) now->tv_sec += shift();
    return answer;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
