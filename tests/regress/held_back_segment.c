// Data that TCP holds back for an acknowledgement (Nagle's algorithm: up to 40 ms of host time) reaches a reader
// whose time-out is longer. Virtual time once ran ahead of it.
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int reader, writer;

// A byte at a time, as a protocol without buffers would. Nobody waits for this socket.
static void* write_bytes(void* unused) {
  for (int i = 0; i < 3; ++i) {
    if (write(writer, "x", 1) != 1) perror("write");
  }
  sleep(30);
  return unused;
}

static int read_bytes(int wanted) {
  char buffer[8];
  int got = 0;
  while (got < wanted) {
    struct pollfd p = {reader, POLLIN, 0};
    const int ready = poll(&p, 1, 10000);
    if (ready != 1) return got;
    const ssize_t n = read(reader, buffer, sizeof buffer);
    if (n <= 0) return got;
    got += (int)n;
  }
  return got;
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (void*)&address, size) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, (void*)&address, &size) != 0) {
    perror("listen");
    return 1;
  }
  writer = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(writer, (void*)&address, size) != 0) perror("connect");
  reader = accept(listener, NULL, NULL);
  // Both sides talk first: then the host delays acknowledgements.
  char byte;
  for (int i = 0; i < 8; ++i) {
    if (write(writer, "a", 1) != 1 || read(reader, &byte, 1) != 1 || write(reader, "b", 1) != 1 ||
        read(writer, &byte, 1) != 1) {
      perror("talk");
    }
  }
  pthread_t thread;
  pthread_create(&thread, NULL, write_bytes, NULL);
  printf("got %d of 3 bytes\n", read_bytes(3));
  fflush(stdout);
  _exit(0);
}
