# The child of a fork is followed, and through its execve.
handle SIGUSR1 nostop noprint pass
handle SIG36 nostop noprint pass
set follow-fork-mode child
break work if n == 100
continue
#expect hit Breakpoint 1, work \(n=(n@entry=)?100\)
catch exec
continue
#expect \(exec'd .*target\)
break work
continue
#expect hit Breakpoint 3.*work \(n=(n@entry=)?3\)
continue
#expect exited with code 06
