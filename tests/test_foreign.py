"""Only plain files are read, and a folder with a way out of it is refused."""

import os
import socket

import pytest

from ermlab.errors import RunDirError
from ermlab.foreign import check_folder, read_bytes, read_text


def test_a_file_is_read_whole_and_through_a_link(tmp_path):
    (tmp_path / "a").write_text("é")
    (tmp_path / "b").symlink_to("a")
    assert read_text(tmp_path / "b", largest_bytes=2) == "é"


def test_a_larger_file_is_not_read(tmp_path):
    (tmp_path / "a").write_bytes(b"123")
    with pytest.raises(ValueError, match="more than 2 bytes"):
        read_bytes(tmp_path / "a", largest_bytes=2)


def test_a_pipe_a_folder_and_a_device_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        with pytest.raises(OSError, match=r"not a file|Is a directory"):
            read_bytes(path)


def test_a_folder_of_files_folders_and_links_within_passes(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "file").write_text("")
    (tmp_path / "a" / "b" / "up").symlink_to("../file")
    (tmp_path / "around").symlink_to(tmp_path)
    check_folder(tmp_path)


@pytest.mark.parametrize("target", ["/etc/passwd", "..", "/nowhere", "../x"])
def test_a_link_that_leads_out_is_refused_wherever_it_is(target, tmp_path):
    (tmp_path / "run" / "a").mkdir(parents=True)
    (tmp_path / "run" / "link").symlink_to(target)
    with pytest.raises(RunDirError, match="a link leads out"):
        check_folder(tmp_path / "run")
    (tmp_path / "run" / "link").rename(tmp_path / "run" / "a" / "link")
    with pytest.raises(RunDirError, match="a link leads out"):
        check_folder(tmp_path / "run" / ("a" if target.startswith("..") else ""))


def test_a_pipe_and_a_socket_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "pipe")
    with pytest.raises(RunDirError, match="pipe is a pipe or a device"):
        check_folder(tmp_path)
    (tmp_path / "a" / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "a" / "s"))
        with pytest.raises(RunDirError, match="s is a pipe or a device"):
            check_folder(tmp_path)
