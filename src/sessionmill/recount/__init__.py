"""A second count of usage: slow, plain, from the bytes, and sharing no code with the first.

It exists to prove the figures in the tables. Both ways are given the same transcripts, and every
figure has to be the same. So nothing here imports anything else of sessionmill; every transcript is
read from its first byte each time, no state is kept between runs, and each accounting rule is said
in the shortest Python that states it.

`transcripts` reads one transcript into its rows: a response, a call, a command or a prompt is one,
however many lines carry it. `election` chooses, within each username, one of several transcripts'
copies of a row; only elected rows are added up, by `totals`.
"""
