untrusted comment: verify with alice.pub
RWTdLrk/vu/ePJIDhyXVnvFmfnCGjjddT+yELPHoMf8qzvj0v/UKfULgFvR20xweT4MU9Ulea0t0rAx4Z+EtgllSuMjYrC8ahQY=
The quick release
