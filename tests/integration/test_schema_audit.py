def test_nothing(server):
    pass
