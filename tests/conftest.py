"""What holds for all tests."""

import signal

# Programs inherit what is ignored, as under nohup or in a script's background, and tests send
# them these.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
