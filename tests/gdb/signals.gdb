# Signals are shown, passed on, thrown away and sent.
break work
continue
#expect Breakpoint 1, work
delete
continue
#expect Program received signal SIGUSR1
print $_siginfo.si_signo
#expect = 10$
print seen
#expect = 0$
continue
#expect Program received signal SIG36
print seen
#expect = 10$
signal 0
#expect exited with code 05
