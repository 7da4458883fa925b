// A wall clock set by a test, for a server started with LD_PRELOAD: the file named by TEST_CLOCK
// holds the offset in microseconds.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *added;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  const char *name = getenv("TEST_CLOCK");
  int file = name ? open(name, O_RDONLY) : -1;
  if (file >= 0) {
    void *map = mmap(NULL, sizeof *added, PROT_READ, MAP_SHARED, file, 0);
    added = map == MAP_FAILED ? NULL : map;
    close(file);
  }
}

static int64_t now(void) {
  struct timespec t;
  real(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + (added ? *added : 0);
}

int gettimeofday(struct timeval *tv, void *zone) {
  (void)zone;
  int64_t t = now();
  tv->tv_sec = t / 1000000;
  tv->tv_usec = t % 1000000;
  return 0;
}

int clock_gettime(clockid_t clock, struct timespec *ts) {
  if (!real) begin();
  if (clock != CLOCK_REALTIME) return real(clock, ts);
  int64_t t = now();
  ts->tv_sec = t / 1000000;
  ts->tv_nsec = t % 1000000 * 1000;
  return 0;
}

time_t time(time_t *to) {
  time_t t = now() / 1000000;
  if (to) *to = t;
  return t;
}
