# Watchpoints: write, read, access.
break mean
continue
#expect Breakpoint 1, mean
watch guarded[1]
continue
#expect Hardware watchpoint 2: guarded\[1\]
#expect Old value = 0
#expect New value = 5
delete 2
rwatch guarded[1]
continue
#expect Hardware read watchpoint 3: guarded\[1\]
#expect Value = 5
delete 3
awatch guarded[2]
continue
#expect Hardware access \(read/write\) watchpoint 4: guarded\[2\]
#expect New value = 6
delete
handle SIGUSR1 nostop noprint pass
handle SIG36 nostop noprint pass
break run_threads
continue
#expect Breakpoint 5, .*run_threads
watch counter
continue
#expect Thread [23] hit Hardware watchpoint 6: counter
#expect Old value = 2
delete
continue
#expect exited with code 05
