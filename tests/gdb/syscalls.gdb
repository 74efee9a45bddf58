# catch syscall: entry and return.
handle SIGUSR1 nostop noprint pass
handle SIG36 nostop noprint pass
catch syscall write
continue
#expect Catchpoint 1 \(call to syscall write\)
print $x8
#expect = 64$
continue
#expect Catchpoint 1 \(returned from syscall write\)
delete
continue
#expect exited with code 05
