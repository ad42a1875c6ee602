import requests
import json

url = "https://api.segmind.com/v1/gemini-embedding-001"
headers = {
    "x-api-key": "YOUR_API_KEY",
    "Content-Type": "application/json"
}

data = {
    "input": "Segmind provides fast and affordable AI model inference APIs for image, video, audio, and text generation.",
    "task_type": "RETRIEVAL_DOCUMENT"
}

response = requests.post(url, headers=headers, json=data)

if response.status_code == 200:
    result = response.json()
    print(json.dumps(result, indent=2))
else:
    print(f"Error: {response.status_code}")
    print(response.text)
