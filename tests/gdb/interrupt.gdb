# A loop that makes no system calls is stopped.
#args spin
python
import threading, time
gdb.events.cont.connect(lambda event: threading.Timer(
    2.0, lambda: gdb.post_event(lambda: gdb.execute("interrupt"))).start())
end
continue
#expect (received signal SIGINT|stopped)
print counter != 0
#expect = 1$
kill
#expect killed
