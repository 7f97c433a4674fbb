// A blocking open of a FIFO for reading waits for a writer, not for the writer's first byte.
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile int reader_is_in;

static void* silent_writer(void* arg) {
  usleep(20000);  // the reader is waiting
  int fd = open(arg, O_WRONLY);
  for (int i = 0; i < 200 && !reader_is_in; i++) usleep(10000);
  printf("reader got in before the first byte: %d\n", reader_is_in);
  reader_is_in = 0;
  if (write(fd, "x", 1) != 1) perror("write");
  close(fd);
  return NULL;
}

static void* quick_writer(void* arg) {
  usleep(20000);
  close(open(arg, O_WRONLY));  // gone again at once: the reader must still have seen it
  return NULL;
}

int main(void) {
  char byte;
  pthread_t thread;
  if (mkfifo("fifo", 0600) != 0) perror("mkfifo");
  pthread_create(&thread, NULL, silent_writer, "fifo");
  int fd = open("fifo", O_RDONLY);
  reader_is_in = 1;
  printf("flags %#x\n", fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE));
  pthread_join(thread, NULL);
  printf("read %zd %c\n", read(fd, &byte, 1), byte);
  printf("read %zd at the end\n", read(fd, &byte, 1));
  close(fd);
  pthread_create(&thread, NULL, quick_writer, "fifo");
  fd = open("fifo", O_RDONLY);
  pthread_join(thread, NULL);
  printf("read %zd from the quick writer\n", read(fd, &byte, 1));
  return 0;
}
