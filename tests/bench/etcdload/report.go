package main

import (
	"encoding/json"
	"fmt"
	"sort"
	"time"
)

// report prints the run as one JSON line, with the fields `coord bench -w json` has.
func report(ran time.Duration, took [][]int64, failed int64) {
	var all []int64
	for _, one := range took {
		all = append(all, one...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return float64(all[int(share*float64(len(all)-1))]) / 1e6
	}
	line, err := json.Marshal(map[string]interface{}{
		"op": *opName, "clients": *clients, "conns": *conns, "total": len(all), "failed": failed,
		"seconds": ran.Seconds(), "per_second": float64(len(all)) / ran.Seconds(),
		"p50_ms": at(.5), "p99_ms": at(.99), "p999_ms": at(.999), "max_ms": at(1),
	})
	stopIf(err)
	fmt.Println(string(line))
}
