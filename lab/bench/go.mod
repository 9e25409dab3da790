module github.com/p2pban/p2pban/lab/bench

go 1.26
