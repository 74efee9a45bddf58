# The program sees neither the connection nor the thread that serves it, and can do what wants a
# process of one thread.
#args look
break work
continue
#expect Breakpoint 1, work
info threads
#expect Thread [0-9.]*
continue
#expect Breakpoint 1, work
continue
#expect exited normally
