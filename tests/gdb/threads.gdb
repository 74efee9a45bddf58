# Threads are found, each has its own registers, a step moves one.
handle SIGUSR1 nostop noprint pass
handle SIG36 nostop noprint pass
break thread_main
continue
#expect Thread 2 .*hit Breakpoint 1, thread_main
info threads
#expect  1 +Thread
#expect \* 2 +Thread
thread apply all print $_thread
#expect = 2$
#expect = 1$
continue
#expect Thread 3 .*hit Breakpoint 1, thread_main
thread 1
#expect Switching to thread 1
backtrace
#expect main
delete
thread 3
set scheduler-locking on
stepi
stepi
print $_thread
#expect = 3$
set scheduler-locking off
continue
#expect exited with code 05
