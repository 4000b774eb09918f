"""init runs once per process before the first run, cleanup before an orderly end; a failed init is 500 and tried again."""

from load import at_once
from server import route


def text(extra=""):
    return route("lifecycle", "/life") + route("hello") + extra


def test_init_once(serve, tmp_path):
    s = serve(text(), env={"LIFECYCLE": str(tmp_path / "life")})
    with s.connect() as c:
        for i in range(1, 5):
            pid, inits, runs = c.request("/life").text.split()
            assert (inits, runs) == ("1", str(i))


def test_cleanup(serve, tmp_path):
    """Of every worker that ran it, and of no other process."""
    s = serve(text("workers { min = 0 }\n"), env={"LIFECYCLE": str(tmp_path / "life")})
    pids = {s.get("/life").text.split()[0] for i in range(5)}
    s.stop()
    lines = (tmp_path / "life").read_text().splitlines()
    assert sorted(lines) == sorted("cleanup " + p for p in pids)


def test_no_cleanup_without_init(serve, tmp_path):
    s = serve(text(), env={"LIFECYCLE": str(tmp_path / "life")})
    assert s.get("/hello").status == 200
    s.stop()
    assert not (tmp_path / "life").exists()


def test_failed_init(serve, tmp_path):
    (tmp_path / "life.fail").write_text("")
    s = serve(text("workers { min = 1, max = 1 }\n"), env={"LIFECYCLE": str(tmp_path / "life")})
    for i in range(3):
        assert s.get("/life").status == 500
        assert s.get("/hello").status == 200
    s.wait_log("/life")
    (tmp_path / "life.fail").unlink()
    pid, inits, runs = s.get("/life").text.split()
    assert (inits, runs) == ("4", "1")
    s.stop()
    # A failed init has nothing to clean up.
    assert (tmp_path / "life").read_text() == "cleanup %s\n" % pid


def test_each_process_has_its_own(serve, tmp_path):
    s = serve(text("") + route("sleep"), env={"LIFECYCLE": str(tmp_path / "life")})
    responses, passed = at_once(s, ["/sleep?ms=200", "/life"] * 5)
    for r in responses[1::2]:
        assert r.text.split()[1] == "1"


def test_a_child_that_comes_back(serve):
    """Returning from run ends it, as returning from main does: it is no second worker."""
    s = serve(text(route("child") + "workers { min = 1, max = 1 }\n"))
    with s.connect() as c:
        for back, status in ("0", "0\n"), ("-1", "1\n"):
            assert c.request("/child?back=" + back).text == status
    assert s.get("/hello").status == 200


def test_a_child_that_comes_back_from_loading(serve):
    """It is no second zygote."""
    s = serve(text(route("child")), env={"CHILD": "1"})
    assert s.get("/child?load=").text == "0\n"
