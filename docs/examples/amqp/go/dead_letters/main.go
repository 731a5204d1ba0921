// Dead letters: what fails waits a while and is tried again; what fails three times is put aside.
package main

import (
	"fmt"
	"log"

	"duolog.example/amqp/internal/broker"
	amqp "github.com/rabbitmq/amqp091-go"
)

// rejections reads how often the message was rejected from a queue: the broker keeps count in the header x-death.
func rejections(message amqp.Delivery, queue string) int64 {
	deaths, _ := message.Headers["x-death"].([]interface{})
	for _, death := range deaths {
		entry, ok := death.(amqp.Table)
		if ok && entry["queue"] == queue && entry["reason"] == "rejected" {
			return entry["count"].(int64)
		}
	}
	return 0
}

func main() {
	connection, channel := broker.Connect()
	defer connection.Close()

	// example.work --rejected--> example.retry --after 200 ms--> example.work; what has failed for good goes to example.failed.
	queues := map[string]amqp.Table{
		"example.work":   {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "example.retry"},
		"example.retry":  {"x-message-ttl": 200, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "example.work"},
		"example.failed": nil,
	}
	for queue, arguments := range queues {
		_, err := channel.QueueDeclare(queue, true, false, false, false, arguments)
		broker.Must(err)
	}
	broker.Send(channel, "", "example.work", "task")

	tasks, err := channel.Consume("example.work", "", false, false, false, false, nil)
	broker.Must(err)
	attempts := 0
	for task := range tasks {
		attempts++
		if rejections(task, "example.work") < 2 {
			broker.Must(task.Reject(false))
			continue
		}
		failed := amqp.Publishing{Headers: task.Headers, Body: task.Body}
		broker.Must(channel.Publish("", "example.failed", false, false, failed))
		broker.Must(task.Ack(false))
		break
	}

	failed, ok, err := channel.Get("example.failed", true)
	broker.Must(err)
	if !ok || attempts != 3 || failed.Headers["x-first-death-queue"] != "example.work" {
		log.Fatalf("%d attempts, then %v", attempts, failed.Headers)
	}
	fmt.Printf("the task was tried %d times and then put aside\n", attempts)

	for queue := range queues {
		_, err := channel.QueueDelete(queue, false, false, false)
		broker.Must(err)
	}
}
