def test_it(full):
    import time
    print(full.server.url)
