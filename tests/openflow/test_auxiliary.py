"""Which connections belong together."""

from segue.openflow.auxiliary import Datapaths, Place


def test_main_and_auxiliary() -> None:
    paths: Datapaths[str] = Datapaths()
    assert paths.add(7, 1, "early") == Place(None)
    assert paths.add(7, 0, "main") == Place("main")
    assert paths.add(7, 1, "aux1") == Place("main")
    assert paths.add(7, 2, "aux2") == Place("main")
    assert paths.add(8, 0, "other") == Place("other")
    assert (paths.main(7), paths.auxiliaries(7), len(paths)) == ("main", {1: "aux1", 2: "aux2"}, 2)
    assert paths.add(7, 256, "strange") == Place(None)
    assert paths.remove(7, "aux1") == ()
    assert paths.remove(7, "main") == ("aux2",)
    assert (paths.main(7), paths.auxiliaries(7), len(paths)) == (None, {}, 1)


def test_who_comes_again_takes_the_place() -> None:
    paths: Datapaths[str] = Datapaths()
    paths.add(7, 0, "main")
    paths.add(7, 1, "aux")
    assert paths.add(7, 1, "aux again") == Place("main", ("aux",))
    assert paths.add(7, 0, "main again") == Place("main again", ("main", "aux again"))
    assert paths.auxiliaries(7) == {}
    assert paths.remove(7, "main") == ()  # it is not the main one any more
    assert paths.remove(7, "aux again") == ()
    assert paths.main(7) == "main again"
    assert paths.add(7, 0, "main again") == Place("main again")
    assert paths.remove(9, "nobody") == ()


def test_of_another_version() -> None:
    paths: Datapaths[str] = Datapaths()
    paths.add(7, 0, "main", 4)
    assert paths.add(7, 1, "aux", 6) == Place(None)
    assert paths.add(7, 1, "aux", 4) == Place("main")
    assert paths.add(7, 0, "main again", 6).replaced == ("main", "aux")
    assert paths.add(7, 1, "aux", 4) == Place(None)
    paths.remove(7, "main again")
    assert paths.add(7, 1, "aux", 6) == Place(None)
