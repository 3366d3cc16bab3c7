"""What daemons on a node have in common as processes."""

import os
import threading

import pytest

from hotspare.faces.daemon_process import only_one


def test_one_that_has_just_been_killed_is_waited_for_and_one_that_lives_is_not_joined(tmp_path):
    first = only_one(str(tmp_path), "stager of gw")
    with pytest.raises(OSError, match=f"another stager of gw runs on this node: it holds {tmp_path}/lock"):
        only_one(str(tmp_path), "stager of gw")
    dying = threading.Timer(0.3, os.close, [first])
    dying.start()
    os.close(only_one(str(tmp_path), "stager of gw"))
    dying.join()
