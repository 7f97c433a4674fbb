// semop and msgsnd hand over: what a task releases belongs to the first in line, and the releasing task
// cannot take it back before that one has run. (Once, waiters were only told to try again.)
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <unistd.h>

struct message {
  long type;
  char text[8];
};

static int semaphores, queue;
static int order[4], arrived;

static void semop_one(int index, int by) {
  struct sembuf operation = {(unsigned short)index, (short)by, 0};
  if (semop(semaphores, &operation, 1) != 0) perror("semop");
}

static int try_take(int index) {
  struct sembuf operation = {(unsigned short)index, -1, IPC_NOWAIT};
  return semop(semaphores, &operation, 1);
}

static void* taker(void* number) {
  semop_one(0, -1);
  order[arrived++] = *(int*)number;
  semop_one(1, 1);
  return NULL;
}

static void* receiver(void* unused) {
  struct message got;
  (void)unused;
  if (msgrcv(queue, &got, sizeof got.text, 5, 0) < 0) perror("msgrcv");
  printf("received %s\n", got.text);
  return NULL;
}

int main(void) {
  semaphores = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600);
  queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
  pthread_t threads[3];
  int numbers[3] = {1, 2, 3};
  for (int i = 0; i < 3; ++i) {
    pthread_create(&threads[i], NULL, taker, &numbers[i]);
    usleep(30000);  // they line up in this order
  }
  for (int i = 0; i < 3; ++i) {
    semop_one(0, 1);
    printf("taken back: %s\n", try_take(0) == 0 ? "yes" : "no");
    semop_one(1, -1);
  }
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  printf("order %d %d %d\n", order[0], order[1], order[2]);

  pthread_create(&threads[0], NULL, receiver, NULL);
  usleep(30000);
  struct message sent = {5, "five"};
  msgsnd(queue, &sent, sizeof sent.text, 0);
  struct message back;
  printf("received back: %s\n",
         msgrcv(queue, &back, sizeof back.text, 5, IPC_NOWAIT) >= 0 ? "yes" : "no");
  pthread_join(threads[0], NULL);
  semctl(semaphores, 0, IPC_RMID);
  msgctl(queue, IPC_RMID, NULL);
  return 0;
}
