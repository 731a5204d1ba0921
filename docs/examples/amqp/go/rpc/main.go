// RPC: a request says where the answer goes, and carries an id by which the answer is known.
package main

import (
	"fmt"
	"log"
	"strconv"
	"time"

	"duolog.example/amqp/internal/broker"
	amqp "github.com/rabbitmq/amqp091-go"
)

// serve answers each request with the square of its number.
func serve(requests <-chan amqp.Delivery, channel *amqp.Channel) {
	for request := range requests {
		number, err := strconv.Atoi(string(request.Body))
		broker.Must(err)
		answer := amqp.Publishing{CorrelationId: request.CorrelationId, Body: []byte(fmt.Sprint(number * number))}
		broker.Must(channel.Publish("", request.ReplyTo, false, false, answer))
		broker.Must(request.Ack(false))
	}
}

// call sends a number and waits for the answer that carries the same id.
func call(channel *amqp.Channel, answers <-chan amqp.Delivery, replyTo string, number int) string {
	id := fmt.Sprintf("request %d", number)
	request := amqp.Publishing{ReplyTo: replyTo, CorrelationId: id, Body: []byte(fmt.Sprint(number))}
	broker.Must(channel.Publish("", "example.rpc", false, false, request))
	timeout := time.After(10 * time.Second)
	for {
		select {
		case answer := <-answers:
			if answer.CorrelationId == id {
				return string(answer.Body)
			}
		case <-timeout:
			log.Fatalf("no answer to %d", number)
		}
	}
}

func main() {
	server, serverChannel := broker.Connect()
	defer server.Close()
	_, err := serverChannel.QueueDeclare("example.rpc", false, false, false, false, nil)
	broker.Must(err)
	requests, err := serverChannel.Consume("example.rpc", "", false, false, false, false, nil)
	broker.Must(err)
	go serve(requests, serverChannel)

	connection, channel := broker.Connect()
	defer connection.Close()
	// Direct reply-to needs no queue, but its consumer, without acknowledgements, before the request.
	for _, replyTo := range []string{broker.Queue(channel), "amq.rabbitmq.reply-to"} {
		answers, err := channel.Consume(replyTo, "", true, false, false, false, nil)
		broker.Must(err)
		if answer := call(channel, answers, replyTo, 12); answer != "144" {
			log.Fatalf("12 squared is not %s", answer)
		}
	}
	fmt.Println("12 squared is 144, by both ways")

	_, err = channel.QueueDelete("example.rpc", false, false, false)
	broker.Must(err)
}
