"""What the press and its typesetting processes say to each other."""

import struct

LENGTH = struct.Struct(">I")  # of the pickled sheet that follows
ANSWER = struct.Struct(">c?I")  # what it is, whether the process ends after it, how many bytes follow
DONE, REFUSED, FAILED = b"+", b"!", b"?"
